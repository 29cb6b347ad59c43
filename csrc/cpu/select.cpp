#include "xaijax/select.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "xaijax/flatten.hpp"
#include "xaijax/simd.hpp"

#if XAIJAX_HAS_SIMD_CHOICE
#include <immintrin.h>
#endif

namespace xaijax {

namespace {

// Radix selection: 11 bits at a time, from the top. No assumption about the keys.
template <class Key>
XAIJAX_SCALAR Cut<Key> by_digits(const Key* keys, index_t size, index_t k, Key* kept) {
  constexpr int digit_bits = 11, digits = 1 << digit_bits;
  constexpr int bits = static_cast<int>(sizeof(Key)) * 8;
  Cut<Key> cut;
  const Key* from = keys;
  index_t left = size, wanted = k;
  for (int done = 0; done < bits; done += digit_bits) {
    const int width = std::min(digit_bits, bits - done);
    const int shift = bits - done - width;
    const Key mask = (Key(1) << width) - 1;
    std::array<index_t, digits> counts{};
    for (index_t i = 0; i < left; ++i) ++counts[static_cast<std::size_t>((from[i] >> shift) & mask)];
    Key digit = mask;
    while (counts[static_cast<std::size_t>(digit)] < wanted) wanted -= counts[static_cast<std::size_t>(digit--)];
    const index_t matching = counts[static_cast<std::size_t>(digit)];
    cut.key |= digit << shift;
    if (shift == 0) {
      cut.tied = matching;
    } else if (matching < left) {
      // One store per key, taken or not, so that random keys do not cost a mispredicted branch each. Writing stays
      // behind reading, so one buffer serves every round.
      index_t n = 0;
      for (index_t i = 0; i < left; ++i) {
        const Key key = from[i];
        kept[n] = key;
        n += static_cast<index_t>(((key >> shift) & mask) == digit);
      }
      from = kept;
      left = n;
    }
  }
  cut.above = k - wanted;
  return cut;
}

// How many keys are at least `least`. Counts of 32 bits in blocks, because they vectorise without widening.
template <class Key>
inline index_t count_from(const Key* keys, index_t size, Key least) {
  index_t total = 0;
  for (index_t start = 0; start < size; start += 1 << 16) {
    const index_t end = std::min<index_t>(size, start + (1 << 16));
    Key count = 0;
    for (index_t i = start; i < end; ++i) count += static_cast<Key>(keys[i] >= least);
    total += static_cast<index_t>(count);
  }
  return total;
}

// The k-th largest of few keys in [low, high], bit by bit from the first in which these differ: the largest key that at
// least k of them reach.
template <class Key>
inline Key by_counting(const Key* keys, index_t size, index_t k, Key low, Key high) {
  Key below = 1;  // the bits below the first that differs, and that bit itself
  while (below != 0 && below <= (low ^ high)) below = static_cast<Key>(below << 1);
  below = static_cast<Key>(below - 1);
  Key key = low & ~below;
  for (Key bit = static_cast<Key>(below ^ (below >> 1)); bit != 0; bit >>= 1)
    if (count_from(keys, size, static_cast<Key>(key | bit)) >= k) key |= bit;
  return key;
}

// The keys in [low, high], in order. Writing stays behind reading, and may run over what was read.
template <class Key>
inline index_t keep_portable(const Key* keys, index_t size, Key low, Key high, Key* kept) {
  constexpr index_t block = 32;
  const Key range = high - low;
  index_t n = 0;
  for (index_t start = 0; start < size; start += block) {
    const index_t end = std::min(size, start + block);
    Key any = 0;
    for (index_t i = start; i < end; ++i) any |= static_cast<Key>(static_cast<Key>(keys[i] - low) <= range);
    if (any == 0) continue;
    for (index_t i = start; i < end; ++i) {
      kept[n] = keys[i];
      n += static_cast<index_t>(static_cast<Key>(keys[i] - low) <= range);
    }
  }
  return n;
}

#if XAIJAX_HAS_SIMD_CHOICE

// No compiler makes this of a loop: a register's keys are moved together and stored as a whole.
__attribute__((target("avx512f"))) index_t keep_avx512(const std::uint32_t* keys, index_t size, std::uint32_t low,
                                                       std::uint32_t high, std::uint32_t* kept) {
  const __m512i least = _mm512_set1_epi32(static_cast<int>(low));
  const __m512i range = _mm512_set1_epi32(static_cast<int>(high - low));
  index_t n = 0, i = 0;
  for (; i + 16 <= size; i += 16) {
    const __m512i key = _mm512_loadu_si512(keys + i);
    const __mmask16 in = _mm512_cmple_epu32_mask(_mm512_sub_epi32(key, least), range);
    _mm512_storeu_si512(kept + n, _mm512_maskz_compress_epi32(in, key));
    n += __builtin_popcount(in);
  }
  return n + keep_portable(keys + i, size - i, low, high, kept + n);
}

__attribute__((target("avx512f"))) index_t keep_avx512(const std::uint64_t* keys, index_t size, std::uint64_t low,
                                                       std::uint64_t high, std::uint64_t* kept) {
  const __m512i least = _mm512_set1_epi64(static_cast<long long>(low));
  const __m512i range = _mm512_set1_epi64(static_cast<long long>(high - low));
  index_t n = 0, i = 0;
  for (; i + 8 <= size; i += 8) {
    const __m512i key = _mm512_loadu_si512(keys + i);
    const __mmask8 in = _mm512_cmple_epu64_mask(_mm512_sub_epi64(key, least), range);
    _mm512_storeu_si512(kept + n, _mm512_maskz_compress_epi64(in, key));
    n += __builtin_popcount(in);
  }
  return n + keep_portable(keys + i, size - i, low, high, kept + n);
}

#endif

template <class Key>
XAIJAX_SCALAR index_t keep_between(const Key* keys, index_t size, Key low, Key high, Key* kept) {
#if XAIJAX_HAS_SIMD_CHOICE
  if (__builtin_cpu_supports("avx512f")) return keep_avx512(keys, size, low, high, kept);
#endif
  return keep_portable(keys, size, low, high, kept);
}

// Two keys of an evenly spaced sample that should lie on either side of the k-th; then only what lies between them is
// looked at. Where the sample misleads, all keys are.
template <class Key>
inline Cut<Key> by_sample(const Key* keys, index_t size, index_t k, Key* kept) {
  constexpr index_t samples = 1024, few = 8192;
  if (size < few) return by_digits(keys, size, k, kept);
  std::array<Key, samples> sample;
  for (index_t i = 0; i < samples; ++i) sample[static_cast<std::size_t>(i)] = keys[i * (size / samples)];
  const double share = static_cast<double>(k) / static_cast<double>(size);
  const double rank = share * samples, slack = 4.0 * std::sqrt(samples * share * (1.0 - share)) + 2.0;
  const auto above = static_cast<index_t>(rank - slack), below = static_cast<index_t>(rank + slack) + 1;
  const Key high = above < 1 ? ~Key(0) : by_counting(sample.data(), samples, above, Key(0), ~Key(0));
  const Key low = below > samples ? Key(0) : by_counting(sample.data(), samples, below, Key(0), ~Key(0));
  const index_t larger = high == ~Key(0) ? 0 : count_from(keys, size, static_cast<Key>(high + 1));
  const index_t left = keep_between(keys, size, low, high, kept);
  const index_t wanted = k - larger;
  if (wanted < 1 || wanted > left) return by_digits(keys, size, k, kept);
  if (left > few) {
    Cut<Key> cut = by_digits(kept, left, wanted, kept);
    cut.above += larger;
    return cut;
  }
  Cut<Key> cut;
  cut.key = by_counting(kept, left, wanted, low, high);
  const index_t reached = count_from(kept, left, cut.key);
  const index_t passed = cut.key == ~Key(0) ? 0 : count_from(kept, left, static_cast<Key>(cut.key + 1));
  cut.above = larger + passed;
  cut.tied = reached - passed;
  return cut;
}

}  // namespace

template <>
XAIJAX_SIMD XAIJAX_FLATTEN Cut<std::uint32_t> kth_largest(const std::uint32_t* keys, index_t size, index_t k,
                                                          std::uint32_t* kept) {
  return by_sample(keys, size, k, kept);
}

template <>
XAIJAX_SIMD XAIJAX_FLATTEN Cut<std::uint64_t> kth_largest(const std::uint64_t* keys, index_t size, index_t k,
                                                          std::uint64_t* kept) {
  return by_sample(keys, size, k, kept);
}

}  // namespace xaijax
