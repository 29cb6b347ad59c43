#include "selection/select.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "common/targets.hpp"

#if XAIJAX_HAS_TARGETS
#include <immintrin.h>
#endif

namespace xaijax {

namespace {

// What keys are read from: keys, or values.
template <class Key>
struct FromKeys {
  using key_type = Key;
  static constexpr bool may_hold_nan = false;
  const Key* keys;
  Key operator[](index_t i) const { return keys[i]; }
};
template <class T>
struct FromValues {
  using key_type = ordered_key_t<T>;
  static constexpr bool may_hold_nan = true;
  const T* values;
  key_type operator[](index_t i) const { return ordered_key(values[i]); }
};

// NaN has keys above that of infinity or below that of minus infinity.
template <class T, class Key>
inline Key outside_infinities(Key key) {
  const Key low = ordered_key(-std::numeric_limits<T>::infinity());
  const Key high = ordered_key(std::numeric_limits<T>::infinity());
  return static_cast<Key>(static_cast<Key>(key - low) > static_cast<Key>(high - low));
}

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

struct Kept {
  index_t between = 0;  // keys in (low, high], which are copied
  index_t larger = 0;   // keys above high
  index_t lowest = 0;   // keys equal to low: in many maps that is zero, and most of the map
  bool nan = false;
};

// Copies the keys in (low, high], in order.
template <class Source, class Key = typename Source::key_type>
inline Kept keep_portable(const Source& source, index_t begin, index_t size, Key low, Key high, Key* kept) {
  constexpr index_t block = 32;
  const Key range = high - low;
  Kept found;
  Key bad = 0;
  for (index_t start = begin; start < size; start += block) {
    const index_t length = std::min(size - start, block);
    Key here[block], any = 0, larger = 0, lowest = 0;
    for (index_t i = 0; i < length; ++i) {
      const Key key = source[start + i];
      here[i] = key;
      any |= static_cast<Key>(static_cast<Key>(key - low - 1) < range);
      larger += static_cast<Key>(key > high);
      lowest += static_cast<Key>(key == low);
      if constexpr (Source::may_hold_nan) bad |= outside_infinities<std::decay_t<decltype(*source.values)>>(key);
    }
    found.larger += static_cast<index_t>(larger);
    found.lowest += static_cast<index_t>(lowest);
    if (any == 0) continue;
    // One store per key, taken or not: random keys would cost a mispredicted branch each.
    Key* const to = kept + found.between;
    index_t n = 0;
    Key taken[block];
    for (index_t i = 0; i < length; ++i) {
      taken[n] = here[i];
      n += static_cast<index_t>(static_cast<Key>(here[i] - low - 1) < range);
    }
    std::copy(taken, taken + n, to);
    found.between += n;
  }
  found.nan = bad != 0;
  return found;
}

#if XAIJAX_HAS_TARGETS

#define XAIJAX_AVX512 __attribute__((target("avx512f")))

XAIJAX_AVX512 inline __m512i load_keys(const FromKeys<std::uint32_t>& from, index_t i, bool&) {
  return _mm512_loadu_si512(from.keys + i);
}
XAIJAX_AVX512 inline __m512i load_keys(const FromKeys<std::uint64_t>& from, index_t i, bool&) {
  return _mm512_loadu_si512(from.keys + i);
}
XAIJAX_AVX512 inline __m512i load_keys(const FromValues<float>& from, index_t i, bool& nan) {
  const __m512 value = _mm512_add_ps(_mm512_loadu_ps(from.values + i), _mm512_setzero_ps());  // -0.0 becomes 0.0
  nan |= _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q) != 0;
  const __m512i bits = _mm512_castps_si512(value), top = _mm512_set1_epi32(std::numeric_limits<std::int32_t>::min());
  return _mm512_xor_si512(bits, _mm512_or_si512(_mm512_maskz_srai_epi32(0xffff, bits, 31), top));
}
XAIJAX_AVX512 inline __m512i load_keys(const FromValues<double>& from, index_t i, bool& nan) {
  const __m512d value = _mm512_add_pd(_mm512_loadu_pd(from.values + i), _mm512_setzero_pd());
  nan |= _mm512_cmp_pd_mask(value, value, _CMP_UNORD_Q) != 0;
  const __m512i bits = _mm512_castpd_si512(value), top = _mm512_set1_epi64(std::numeric_limits<std::int64_t>::min());
  return _mm512_xor_si512(bits, _mm512_or_si512(_mm512_maskz_srai_epi64(0xff, bits, 63), top));
}

// No compiler makes this of a loop: a register's keys are moved together and stored as a whole.
template <class Source>
XAIJAX_AVX512 Kept keep_avx512(const Source& source, index_t size, std::uint32_t low, std::uint32_t high,
                               std::uint32_t* kept) {
  const __m512i lowest = _mm512_set1_epi32(static_cast<int>(low)), most = _mm512_set1_epi32(static_cast<int>(high));
  const __m512i least = _mm512_set1_epi32(static_cast<int>(low + 1));
  const __m512i range = _mm512_set1_epi32(static_cast<int>(high - low));
  Kept found;
  index_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const __m512i key = load_keys(source, i, found.nan);
    const __mmask16 in = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(key, least), range);
    found.larger += __builtin_popcount(_mm512_cmpgt_epu32_mask(key, most));
    found.lowest += __builtin_popcount(_mm512_cmpeq_epu32_mask(key, lowest));
    _mm512_storeu_si512(kept + found.between, _mm512_maskz_compress_epi32(in, key));
    found.between += __builtin_popcount(in);
  }
  const Kept rest = keep_portable(source, i, size, low, high, kept + found.between);
  return {found.between + rest.between, found.larger + rest.larger, found.lowest + rest.lowest, found.nan || rest.nan};
}

template <class Source>
XAIJAX_AVX512 Kept keep_avx512(const Source& source, index_t size, std::uint64_t low, std::uint64_t high,
                               std::uint64_t* kept) {
  const __m512i lowest = _mm512_set1_epi64(static_cast<long long>(low));
  const __m512i least = _mm512_set1_epi64(static_cast<long long>(low + 1));
  const __m512i most = _mm512_set1_epi64(static_cast<long long>(high));
  const __m512i range = _mm512_set1_epi64(static_cast<long long>(high - low));
  Kept found;
  index_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const __m512i key = load_keys(source, i, found.nan);
    const __mmask8 in = _mm512_cmplt_epu64_mask(_mm512_sub_epi64(key, least), range);
    found.larger += __builtin_popcount(_mm512_cmpgt_epu64_mask(key, most));
    found.lowest += __builtin_popcount(_mm512_cmpeq_epu64_mask(key, lowest));
    _mm512_storeu_si512(kept + found.between, _mm512_maskz_compress_epi64(in, key));
    found.between += __builtin_popcount(in);
  }
  const Kept rest = keep_portable(source, i, size, low, high, kept + found.between);
  return {found.between + rest.between, found.larger + rest.larger, found.lowest + rest.lowest, found.nan || rest.nan};
}

#endif

template <class Source, class Key = typename Source::key_type>
XAIJAX_SCALAR Kept keep_between(const Source& source, index_t size, Key low, Key high, Key* kept) {
#if XAIJAX_HAS_TARGETS
  if (__builtin_cpu_supports("avx512f")) return keep_avx512(source, size, low, high, kept);
#endif
  return keep_portable(source, 0, size, low, high, kept);
}

// All keys, in `kept` if they are not keys yet.
template <class Source, class Key = typename Source::key_type>
inline std::optional<Cut<Key>> among_all(const Source& source, index_t size, index_t k, Key* kept) {
  if constexpr (Source::may_hold_nan) {
    Key bad = 0;
    for (index_t i = 0; i < size; ++i) {
      kept[i] = source[i];
      bad |= outside_infinities<std::decay_t<decltype(*source.values)>>(kept[i]);
    }
    if (bad) return std::nullopt;
    return by_digits(kept, size, k, kept);
  } else {
    return by_digits(source.keys, size, k, kept);
  }
}

// Two keys of an evenly spaced sample that should lie on either side of the k-th; then only what lies between them is
// looked at. Where the sample misleads, all keys are.
template <class Source, class Key = typename Source::key_type>
inline std::optional<Cut<Key>> by_sample(const Source& source, index_t size, index_t k, Key* kept) {
  constexpr index_t samples = 512, few = 8192;
  if (size < few) return among_all(source, size, k, kept);
  std::array<Key, samples> sample;
  for (index_t i = 0; i < samples; ++i) sample[static_cast<std::size_t>(i)] = source[i * (size / samples)];
  const double share = static_cast<double>(k) / static_cast<double>(size);
  const double rank = share * samples, slack = 3.0 * std::sqrt(samples * share * (1.0 - share)) + 2.0;
  const auto above = static_cast<index_t>(rank - slack), below = static_cast<index_t>(rank + slack) + 1;
  const Key high = above < 1 ? ~Key(0) : by_counting(sample.data(), samples, above, Key(0), ~Key(0));
  const Key low = below > samples ? Key(0) : by_counting(sample.data(), samples, below, Key(0), ~Key(0));
  const Kept found = keep_between(source, size, low, high, kept);
  if (found.nan) return std::nullopt;
  const index_t wanted = k - found.larger;
  if (wanted < 1 || wanted > found.between + found.lowest) return among_all(source, size, k, kept);
  if (wanted > found.between) return Cut<Key>{low, found.larger + found.between, found.lowest};
  if (found.between > few) {
    Cut<Key> cut = by_digits(kept, found.between, wanted, kept);
    cut.above += found.larger;
    return cut;
  }
  Cut<Key> cut;
  cut.key = by_counting(kept, found.between, wanted, static_cast<Key>(low + 1), high);
  const index_t reached = count_from(kept, found.between, cut.key);
  const index_t passed = cut.key == ~Key(0) ? 0 : count_from(kept, found.between, static_cast<Key>(cut.key + 1));
  cut.above = found.larger + passed;
  cut.tied = reached - passed;
  return cut;
}

// Functions, not specialisations of the templates below: clang compiles those for one instruction set only.
XAIJAX_SIMD XAIJAX_FLATTEN Cut<std::uint32_t> kth_key(const std::uint32_t* keys, index_t size, index_t k,
                                                      std::uint32_t* kept) {
  return *by_sample(FromKeys<std::uint32_t>{keys}, size, k, kept);
}
XAIJAX_SIMD XAIJAX_FLATTEN Cut<std::uint64_t> kth_key(const std::uint64_t* keys, index_t size, index_t k,
                                                      std::uint64_t* kept) {
  return *by_sample(FromKeys<std::uint64_t>{keys}, size, k, kept);
}
XAIJAX_SIMD XAIJAX_FLATTEN std::optional<Cut<std::uint32_t>> kth_value(const float* values, index_t size, index_t k,
                                                                       std::uint32_t* kept) {
  return by_sample(FromValues<float>{values}, size, k, kept);
}
XAIJAX_SIMD XAIJAX_FLATTEN std::optional<Cut<std::uint64_t>> kth_value(const double* values, index_t size, index_t k,
                                                                       std::uint64_t* kept) {
  return by_sample(FromValues<double>{values}, size, k, kept);
}

}  // namespace

template <class Key>
Cut<Key> kth_largest(const Key* keys, index_t size, index_t k, Key* kept) {
  return kth_key(keys, size, k, kept);
}

template <class T>
std::optional<Cut<ordered_key_t<T>>> kth_largest_value(const T* values, index_t size, index_t k,
                                                       ordered_key_t<T>* kept) {
  return kth_value(values, size, k, kept);
}

template Cut<std::uint32_t> kth_largest(const std::uint32_t*, index_t, index_t, std::uint32_t*);
template Cut<std::uint64_t> kth_largest(const std::uint64_t*, index_t, index_t, std::uint64_t*);
template std::optional<Cut<std::uint32_t>> kth_largest_value(const float*, index_t, index_t, std::uint32_t*);
template std::optional<Cut<std::uint64_t>> kth_largest_value(const double*, index_t, index_t, std::uint64_t*);

}  // namespace xaijax
