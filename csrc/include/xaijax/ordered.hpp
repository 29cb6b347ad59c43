// Order of floating-point values as integers: keys that compare like the values, selection and radix sort on them.
// -0.0 and 0.0 get one key. NaN is not ordered: callers look for it first (all_finite).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "xaijax/views.hpp"

namespace xaijax {

template <class T>
struct OrderedKey;

template <>
struct OrderedKey<float> {
  using type = std::uint32_t;
};

template <>
struct OrderedKey<double> {
  using type = std::uint64_t;
};

template <class T>
using ordered_key_t = typename OrderedKey<T>::type;

// The key of a value: larger values have larger keys.
template <class T>
inline ordered_key_t<T> ordered_key(T value) {
  using Key = ordered_key_t<T>;
  constexpr int top = static_cast<int>(sizeof(Key)) * 8 - 1;
  const T plain = value + T(0);  // -0.0 becomes 0.0
  Key bits;
  std::memcpy(&bits, &plain, sizeof bits);
  return bits ^ ((Key(0) - (bits >> top)) | (Key(1) << top));
}

// Uninitialised storage: a vector would write zeros into memory that is overwritten anyway.
template <class T>
std::unique_ptr<T[]> scratch(index_t size) {
  return std::unique_ptr<T[]>(new T[static_cast<std::size_t>(size)]);
}

template <class T>
inline bool all_finite(const T* values, index_t size) {
  using Key = ordered_key_t<T>;
  constexpr Key infinity = sizeof(T) == 4 ? Key(0x7f800000u) : static_cast<Key>(0x7ff0000000000000ull);
  constexpr Key magnitude = ~(Key(1) << (sizeof(Key) * 8 - 1));
  Key bad = 0;
  for (index_t i = 0; i < size; ++i) {
    Key bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bad |= static_cast<Key>((bits & magnitude) >= infinity);
  }
  return bad == 0;
}

// What lies at the cut when the k largest of `size` keys are taken.
template <class Key>
struct Cut {
  Key key = 0;        // the k-th largest
  index_t above = 0;  // how many keys are larger than it
  index_t tied = 0;   // how many keys are equal to it
};

// The k-th largest key, 1 <= k <= size, by radix selection: 11 bits at a time, from the top. `kept` is scratch of the
// same size; the keys are left as they are.
template <class Key>
Cut<Key> kth_largest(const Key* keys, index_t size, index_t k, Key* kept) {
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

// Sorts keys in ascending order: least significant digit first, 11 bits a pass, passes in which all keys agree left
// out. Gives the buffer that holds the result, `keys` or `other`.
template <class Key>
Key* radix_sort(Key* keys, Key* other, index_t size) {
  constexpr int digit_bits = 11, digits = 1 << digit_bits;
  constexpr int bits = static_cast<int>(sizeof(Key)) * 8;
  constexpr int passes = (bits + digit_bits - 1) / digit_bits;
  if (size < 256 || size > 0xffffffffll) {
    std::sort(keys, keys + size);
    return keys;
  }
  const auto counts = scratch<std::uint32_t>(passes * digits);
  std::fill_n(counts.get(), passes * digits, 0u);
  for (index_t i = 0; i < size; ++i) {
    const Key key = keys[i];
    for (int p = 0; p < passes; ++p) {
      const auto digit = static_cast<std::size_t>((key >> (p * digit_bits)) & (digits - 1));
      ++counts[static_cast<std::size_t>(p * digits) + digit];
    }
  }
  for (int p = 0; p < passes; ++p) {
    std::uint32_t* count = counts.get() + p * digits;
    const int shift = p * digit_bits;
    if (count[(keys[0] >> shift) & (digits - 1)] == static_cast<std::uint32_t>(size)) continue;
    std::uint32_t start = 0;
    for (int d = 0; d < digits; ++d) {
      const std::uint32_t n = count[d];
      count[d] = start;
      start += n;
    }
    for (index_t i = 0; i < size; ++i) other[count[(keys[i] >> shift) & (digits - 1)]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

// How many pixels "the top `percent` of `size`" are: rounded up, at least one. The round-off of a percent that was
// computed from a count (100.0 * k / size) does not add a pixel.
inline index_t top_count(index_t size, double percent) {
  const double exact = percent * static_cast<double>(size) / 100.0 * (1.0 - 1e-12);
  auto count = static_cast<index_t>(exact);
  if (static_cast<double>(count) < exact) ++count;
  return std::min(std::max<index_t>(count, 1), size);
}

}  // namespace xaijax
