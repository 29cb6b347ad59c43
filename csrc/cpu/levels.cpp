#include "xaijax/levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

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

// Values at the wanted ranks (ascending, without repeats) of keys[0..n), which is reordered.
template <class Int>
void select(Int* keys, index_t n, const index_t* ranks, std::size_t count, Int* out) {
  // Halve the ranks: log2(count) passes over the keys instead of count.
  if (count == 0) return;
  const std::size_t middle = count / 2;
  const index_t rank = ranks[middle];
  std::nth_element(keys, keys + rank, keys + n);
  out[middle] = keys[rank];
  select(keys, rank, ranks, middle, out);
  std::vector<index_t> rest(ranks + middle + 1, ranks + count);
  for (index_t& r : rest) r -= rank + 1;
  select(keys + rank + 1, n - rank - 1, rest.data(), rest.size(), out + middle + 1);
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
  select(keys.data(), n, ranks.data(), ranks.size(), selected.data());
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
