#include "selection/order_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "common/ordered.hpp"
#include "common/targets.hpp"
#include "histogram/histogram.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

namespace {

constexpr int bucket_bits = 12;
constexpr index_t small = 512;  // fewer keys are selected by comparisons

// The wanted ranks among n keys, of which the first has rank `offset` in the whole; count results go to out.
template <class Key>
struct Wanted {
  const index_t* ranks;
  std::size_t count;
  index_t offset;
  Key* out;
};

// By std::nth_element; halving the ranks needs log2(count) passes over the keys instead of count.
template <class Key>
void select_by_comparison(Key* keys, index_t n, const Wanted<Key>& wanted) {
  if (wanted.count == 0) return;
  const std::size_t middle = wanted.count / 2;
  const index_t rank = wanted.ranks[middle] - wanted.offset;
  std::nth_element(keys, keys + rank, keys + n);
  wanted.out[middle] = keys[rank];
  select_by_comparison(keys, rank, {wanted.ranks, middle, wanted.offset, wanted.out});
  select_by_comparison(
      keys + rank + 1, n - rank - 1,
      {wanted.ranks + middle + 1, wanted.count - middle - 1, wanted.offset + rank + 1, wanted.out + middle + 1});
}

template <class Key>
XAIJAX_INLINE void by_key_body(const Key* keys, index_t n, Key low, int shift, std::uint16_t* bucket) {
  for (index_t i = 0; i < n; ++i) bucket[i] = static_cast<std::uint16_t>((keys[i] - low) >> shift);
}
XAIJAX_SIMD void by_key(const std::uint32_t* keys, index_t n, std::uint32_t low, int shift, std::uint16_t* bucket) {
  by_key_body(keys, n, low, shift, bucket);
}
XAIJAX_SIMD void by_key(const std::uint64_t* keys, index_t n, std::uint64_t low, int shift, std::uint16_t* bucket) {
  by_key_body(keys, n, low, shift, bucket);
}

// How many values lie in each bucket. Two tables, because neighbours in one bucket would wait for each other's store;
// four in one bucket, as in the background of a map, are counted at once.
std::vector<std::uint32_t> count_buckets(const std::uint16_t* bucket, index_t n, std::size_t buckets) {
  constexpr index_t step = 4;
  std::vector<std::uint32_t> counts(2 * buckets, 0);
  std::uint32_t* const even = counts.data();
  std::uint32_t* const odd = even + buckets;
  index_t i = 0;
  for (; i + step <= n; i += step) {
    std::uint64_t word;
    std::memcpy(&word, bucket + i, sizeof word);
    if (word == (word << 16 | word >> 48)) {
      even[word & 0xffff] += step;
      continue;
    }
    ++even[word & 0xffff];
    ++odd[word >> 16 & 0xffff];
    ++even[word >> 32 & 0xffff];
    ++odd[word >> 48];
  }
  for (; i < n; ++i) ++even[bucket[i]];
  for (std::size_t b = 0; b < buckets; ++b) even[b] += odd[b];
  counts.resize(buckets);
  return counts;
}

template <class Key>
void select(Key* keys, index_t n, Key low, Key high, const Wanted<Key>& wanted);

// Selects among n values in buckets whose order is theirs: only those in a bucket that holds a wanted rank are looked
// at one by one. key_at(i) is the key of value i; all of bucket 0 have the key `alone`, if that is not null.
template <class Key, class KeyAt>
void select_in_buckets(const std::uint16_t* bucket, index_t n, std::size_t buckets, const KeyAt& key_at,
                       const Key* alone, const Wanted<Key>& wanted) {
  struct Part {
    Wanted<Key> wanted;
    index_t begin, size;
  };
  const auto counts = count_buckets(bucket, n, buckets);
  std::vector<Part> parts;
  std::vector<std::uint16_t> part_of(buckets, 0);  // its number from 1 on
  index_t rank = wanted.offset, taken = 0;
  std::size_t next = 0;
  for (std::size_t b = 0; b < buckets && next < wanted.count; ++b) {
    const auto here = static_cast<index_t>(counts[b]);
    const std::size_t first = next;
    while (next < wanted.count && wanted.ranks[next] < rank + here) ++next;
    if (next > first && b == 0 && alone) {
      std::fill(wanted.out, wanted.out + next, *alone);
    } else if (next > first) {
      parts.push_back({{wanted.ranks + first, next - first, rank, wanted.out + first}, taken, 0});
      part_of[b] = static_cast<std::uint16_t>(parts.size());
      taken += here;
    }
    rank += here;
  }
  const auto keys = scratch<Key>(taken);
  const auto take = [&](index_t i) {
    if (const std::uint16_t p = part_of[bucket[i]]) {
      Part& part = parts[p - 1u];
      keys[static_cast<std::size_t>(part.begin + part.size++)] = key_at(i);
    }
  };
  index_t i = 0;
  for (; i + 4 <= n; i += 4)  // one branch for four, of which it is rarely any
    if (part_of[bucket[i]] | part_of[bucket[i + 1]] | part_of[bucket[i + 2]] | part_of[bucket[i + 3]])
      for (index_t k = i; k < i + 4; ++k) take(k);
  for (; i < n; ++i) take(i);
  for (const Part& part : parts) {
    Key* const of = keys.get() + part.begin;
    const auto [smallest, largest] = std::minmax_element(of, of + part.size);
    const Key from = *smallest, to = *largest;
    select(of, part.size, from, to, part.wanted);
  }
}

// Keys in [low, high]. Equal buckets of the range, which shrinks by 2^11 at least every time, so this ends soon
// whatever the keys.
template <class Key>
void select(Key* keys, index_t n, Key low, Key high, const Wanted<Key>& wanted) {
  if (low == high) {
    std::fill(wanted.out, wanted.out + wanted.count, low);
    return;
  }
  if (n <= small) return select_by_comparison(keys, n, wanted);
  int shift = 0;
  const Key span = high - low;
  while ((span >> shift) >= (1u << bucket_bits)) ++shift;
  const auto bucket = scratch<std::uint16_t>(n);
  by_key(keys, n, low, shift, bucket.get());
  select_in_buckets(
      bucket.get(), n, static_cast<std::size_t>(span >> shift) + 1, [keys](index_t i) { return keys[i]; },
      static_cast<const Key*>(nullptr), wanted);
}

// Equal buckets of the values' range but for the first, which holds the smallest value alone: in many maps that is what
// most pixels have.
template <class T>
XAIJAX_INLINE void by_value_body(const T* values, index_t n, T low, T scale, std::uint16_t* bucket) {
  for (index_t i = 0; i < n; ++i)
    bucket[i] = static_cast<std::uint16_t>(static_cast<std::int32_t>((values[i] - low) * scale) + (values[i] > low));
}
XAIJAX_SIMD void by_value(const float* values, index_t n, float low, float scale, std::uint16_t* bucket) {
  by_value_body(values, n, low, scale, bucket);
}
XAIJAX_SIMD void by_value(const double* values, index_t n, double low, double scale, std::uint16_t* bucket) {
  by_value_body(values, n, low, scale, bucket);
}

}  // namespace

template <class T>
std::vector<T> order_statistics(const T* values, index_t n, const std::vector<index_t>& ranks) {
  using Key = ordered_key_t<T>;
  const auto in = extent(values, n);
  if (std::isnan(in.smallest) || std::isnan(in.largest)) return {};
  std::vector<Key> found(ranks.size());
  const Wanted<Key> wanted{ranks.data(), ranks.size(), 0, found.data()};
  const auto key_at = [values](index_t i) { return ordered_key(values[i]); };
  // Values first: their buckets are finer than those of keys, of which half are for values near zero.
  constexpr std::size_t buckets = std::size_t(1) << bucket_bits;
  const T scale = static_cast<T>(buckets - 2) / (in.largest - in.smallest);
  if (n > small && std::isfinite(scale) && scale > 0) {
    const auto bucket = scratch<std::uint16_t>(n);
    by_value(values, n, in.smallest, scale, bucket.get());
    const Key smallest = ordered_key(in.smallest);
    select_in_buckets(bucket.get(), n, buckets, key_at, &smallest, wanted);
  } else {
    const auto keys = scratch<Key>(n);
    for (index_t i = 0; i < n; ++i) keys[static_cast<std::size_t>(i)] = key_at(i);
    select(keys.get(), n, ordered_key(in.smallest), ordered_key(in.largest), wanted);
  }
  std::vector<T> out;
  for (const Key key : found) out.push_back(ordered_value<T>(key));
  return out;
}

template std::vector<float> order_statistics(const float*, index_t, const std::vector<index_t>&);
template std::vector<double> order_statistics(const double*, index_t, const std::vector<index_t>&);

}  // namespace xaijax
