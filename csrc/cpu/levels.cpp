#include "xaijax/levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "xaijax/simd.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

namespace {

// Integers in the order of the floats they stand for; NaN lies outside the keys of the infinities.
template <class T>
struct KeyOf;
template <>
struct KeyOf<float> {
  using type = std::int32_t;
};
template <>
struct KeyOf<double> {
  using type = std::int64_t;
};
template <class T>
using Key = typename KeyOf<T>::type;

template <class Int>
XAIJAX_INLINE Int flip_negative(Int bits) {
  return bits ^ ((bits >> (8 * sizeof(Int) - 1)) & std::numeric_limits<Int>::max());
}

template <class T>
XAIJAX_INLINE Key<T> key_of(T value) {
  Key<T> bits;
  std::memcpy(&bits, &value, sizeof bits);
  return flip_negative(bits);
}

template <class T>
T value_of(Key<T> key) {
  const Key<T> bits = flip_negative(key);
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T, class Int>
XAIJAX_INLINE void make_keys_body(const T* values, index_t n, Int* keys, Int* smallest, Int* largest) {
  Int low = std::numeric_limits<Int>::max(), high = std::numeric_limits<Int>::min();
  for (index_t i = 0; i < n; ++i) {
    const Int key = key_of(values[i]);
    keys[i] = key;
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  *smallest = low;
  *largest = high;
}

XAIJAX_SIMD void make_keys(const float* values, index_t n, std::int32_t* keys, std::int32_t* low, std::int32_t* high) {
  make_keys_body(values, n, keys, low, high);
}
XAIJAX_SIMD void make_keys(const double* values, index_t n, std::int64_t* keys, std::int64_t* low,
                           std::int64_t* high) {
  make_keys_body(values, n, keys, low, high);
}

// Where numpy.quantile looks: the two neighbouring ranks and the weight of the second.
struct Position {
  index_t previous;
  index_t next;
  double weight;
};

Position position(index_t n, double fraction) {
  const double virtual_index = static_cast<double>(n - 1) * (1.0 - fraction);
  if (virtual_index >= static_cast<double>(n - 1)) {
    // NumPy's index -1 for the last value enters its weight.
    return {n - 1, n - 1, virtual_index + 1.0};
  }
  const double floor = std::floor(virtual_index);
  return {static_cast<index_t>(floor), static_cast<index_t>(floor) + 1, virtual_index - floor};
}

template <class T>
T interpolate(T a, T b, double weight) {
  const T difference = b - a;
  if (weight >= 0.5) return b - difference * static_cast<T>(1.0 - weight);
  return a + difference * static_cast<T>(weight);
}

constexpr int bucket_bits = 12;
constexpr index_t small = 512;  // fewer keys are selected by comparisons

template <class Int>
XAIJAX_INLINE void make_buckets_body(const Int* keys, index_t n, Int low, int shift, std::uint16_t* bucket) {
  using Unsigned = std::make_unsigned_t<Int>;
  for (index_t i = 0; i < n; ++i)
    bucket[i] = static_cast<std::uint16_t>((static_cast<Unsigned>(keys[i]) - static_cast<Unsigned>(low)) >> shift);
}

XAIJAX_SIMD void make_buckets(const std::int32_t* keys, index_t n, std::int32_t low, int shift, std::uint16_t* bucket) {
  make_buckets_body(keys, n, low, shift, bucket);
}
XAIJAX_SIMD void make_buckets(const std::int64_t* keys, index_t n, std::int64_t low, int shift, std::uint16_t* bucket) {
  make_buckets_body(keys, n, low, shift, bucket);
}

// Keys at the wanted ranks (ascending, without repeats) by std::nth_element; halving the ranks needs log2(count)
// passes over the keys instead of count.
template <class Int>
void select_by_comparison(Int* keys, index_t n, const index_t* ranks, std::size_t count, index_t offset, Int* out) {
  if (count == 0) return;
  const std::size_t middle = count / 2;
  const index_t rank = ranks[middle] - offset;
  std::nth_element(keys, keys + rank, keys + n);
  out[middle] = keys[rank];
  select_by_comparison(keys, rank, ranks, middle, offset, out);
  select_by_comparison(keys + rank + 1, n - rank - 1, ranks + middle + 1, count - middle - 1, offset + rank + 1,
                       out + middle + 1);
}

// The same for keys in [low, high]: counted in equal buckets of the key range, then only the keys in the buckets that
// hold a wanted rank are looked at again. The range shrinks by 2^11 at least, so this ends soon whatever the values.
// `offset` is the rank of the first of these keys in the whole map.
template <class Int>
void select(Int* keys, index_t n, Int low, Int high, const index_t* ranks, std::size_t count, index_t offset,
            Int* out) {
  using Unsigned = std::make_unsigned_t<Int>;
  if (low == high) return std::fill(out, out + count, low);
  if (n <= small) return select_by_comparison(keys, n, ranks, count, offset, out);
  int shift = 0;
  const Unsigned span = static_cast<Unsigned>(high) - static_cast<Unsigned>(low);
  while ((span >> shift) >= (1u << bucket_bits)) ++shift;
  std::vector<std::uint16_t> bucket(static_cast<std::size_t>(n));
  make_buckets(keys, n, low, shift, bucket.data());

  // Two tables: neighbours of one bucket would wait for each other's store.
  const std::size_t buckets = static_cast<std::size_t>(span >> shift) + 1;
  std::vector<std::uint32_t> counts(2 * buckets, 0);
  std::uint32_t* const even = counts.data();
  std::uint32_t* const odd = even + buckets;
  index_t i = 0;
  for (; i + 2 <= n; i += 2) {
    ++even[bucket[static_cast<std::size_t>(i)]];
    ++odd[bucket[static_cast<std::size_t>(i) + 1]];
  }
  if (i < n) ++even[bucket[static_cast<std::size_t>(i)]];

  // Wanted buckets in order, each with the first rank in it and the wanted ranks it holds.
  struct Wanted {
    std::size_t bucket;
    index_t first_rank;
    std::size_t ranks_begin, ranks_end;
    std::vector<Int> keys;
  };
  std::vector<Wanted> wanted;
  constexpr std::uint16_t none = std::numeric_limits<std::uint16_t>::max();
  std::vector<std::uint16_t> slot(buckets, none);
  index_t rank = offset;
  std::size_t next = 0;
  for (std::size_t b = 0; b < buckets && next < count; ++b) {
    const index_t here = index_t(even[b]) + odd[b];
    const std::size_t begin = next;
    while (next < count && ranks[next] < rank + here) ++next;
    if (next > begin) {
      slot[b] = static_cast<std::uint16_t>(wanted.size());
      wanted.push_back({b, rank, begin, next, {}});
      wanted.back().keys.reserve(static_cast<std::size_t>(here));
    }
    rank += here;
  }
  for (index_t k = 0; k < n; ++k) {
    const std::uint16_t s = slot[bucket[static_cast<std::size_t>(k)]];
    if (s != none) wanted[s].keys.push_back(keys[k]);
  }
  for (Wanted& w : wanted) {
    const auto [smallest, largest] = std::minmax_element(w.keys.begin(), w.keys.end());
    const Int from = *smallest, to = *largest;
    select(w.keys.data(), static_cast<index_t>(w.keys.size()), from, to, ranks + w.ranks_begin,
           w.ranks_end - w.ranks_begin, w.first_rank, out + w.ranks_begin);
  }
}

template <class T>
XAIJAX_INLINE void levels_body(const T* values, index_t n, const T* thresholds, int count, std::uint16_t* levels) {
  for (index_t i = 0; i < n; ++i) levels[i] = 1;
  for (int k = 0; k < count; ++k) {
    const T threshold = thresholds[k];
    for (index_t i = 0; i < n; ++i) levels[i] += values[i] >= threshold ? 0 : 1;
  }
}

XAIJAX_SIMD void levels_of(const float* values, index_t n, const float* thresholds, int count, std::uint16_t* levels) {
  levels_body(values, n, thresholds, count, levels);
}
XAIJAX_SIMD void levels_of(const double* values, index_t n, const double* thresholds, int count,
                           std::uint16_t* levels) {
  levels_body(values, n, thresholds, count, levels);
}

}  // namespace

template <class T>
std::vector<T> reveal_thresholds(MapView<const T> map, const std::vector<double>& fractions) {
  const index_t n = map.size();
  std::vector<Key<T>> keys(static_cast<std::size_t>(n));
  Key<T> low = 0, high = 0;
  make_keys(map.data, n, keys.data(), &low, &high);
  if (std::isnan(value_of<T>(low)) || std::isnan(value_of<T>(high)))
    return std::vector<T>(fractions.size(), std::numeric_limits<T>::quiet_NaN());
  std::vector<Position> positions;
  std::vector<index_t> ranks;
  for (const double fraction : fractions) {
    positions.push_back(position(n, fraction));
    ranks.push_back(positions.back().previous);
    ranks.push_back(positions.back().next);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  std::vector<Key<T>> selected(ranks.size());
  select(keys.data(), n, low, high, ranks.data(), ranks.size(), index_t{0}, selected.data());
  const auto at = [&](index_t rank) {
    return value_of<T>(selected[static_cast<std::size_t>(std::lower_bound(ranks.begin(), ranks.end(), rank) -
                                                         ranks.begin())]);
  };
  std::vector<T> thresholds;
  for (const Position& p : positions) thresholds.push_back(interpolate(at(p.previous), at(p.next), p.weight));
  return thresholds;
}

template <class T>
void reveal_levels(MapView<const T> map, const std::vector<double>& fractions, const bool* always,
                   std::uint16_t* levels) {
  // A pixel stays revealed: the running minimum of the thresholds, of which NaN reveals nothing.
  std::vector<T> thresholds = reveal_thresholds(map, fractions);
  T lowest = std::numeric_limits<T>::quiet_NaN();
  for (T& threshold : thresholds) {
    if (!(threshold > lowest)) lowest = std::isnan(threshold) ? lowest : threshold;
    threshold = lowest;
  }
  const index_t n = map.size();
  constexpr index_t block = 2048;  // stays in the first-level cache over all thresholds
  for (index_t start = 0; start < n; start += block)
    levels_of(map.data + start, std::min(block, n - start), thresholds.data(), static_cast<int>(thresholds.size()),
              levels + start);
  if (always)
    for (index_t i = 0; i < n; ++i)
      if (always[i]) levels[i] = 0;
}

#define XAIJAX_INSTANTIATE(T)                                                                     \
  template std::vector<T> reveal_thresholds(MapView<const T>, const std::vector<double>&);        \
  template void reveal_levels(MapView<const T>, const std::vector<double>&, const bool*, std::uint16_t*);
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
