// Order of floating-point values as integers: keys that compare like the values, and a sort by them.
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

// The value of a key.
template <class T>
inline T ordered_value(ordered_key_t<T> key) {
  using Key = ordered_key_t<T>;
  constexpr Key top = Key(1) << (sizeof(Key) * 8 - 1);
  const Key bits = key & top ? key ^ top : ~key;
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
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

// Sorts entries by ascending key: two passes of 11 bits over the leading bits of the range the keys span, then every
// run of keys that still agree there. Two passes are enough for maps, whose values rarely agree in 22 bits unless they
// are equal; long runs fall to std::sort. `other` is scratch of the same size.
template <class Entry, class KeyOf>
void sort_by_key(Entry* entries, Entry* other, index_t size, const KeyOf& key_of) {
  using Key = decltype(key_of(entries[0]));
  constexpr int digit_bits = 11, digits = 1 << digit_bits;
  const auto smaller = [&](const Entry& a, const Entry& b) { return key_of(a) < key_of(b); };
  if (size < 512 || size > 0xffffffffll) {
    std::sort(entries, entries + size, smaller);
    return;
  }
  Key low = key_of(entries[0]), high = low;
  for (index_t i = 1; i < size; ++i) {
    low = std::min(low, key_of(entries[i]));
    high = std::max(high, key_of(entries[i]));
  }
  int span = 0;
  while (span < static_cast<int>(sizeof(Key)) * 8 && ((high - low) >> span) != 0) ++span;
  const int shift = std::max(0, span - 2 * digit_bits);
  const auto lead = [&](const Entry& entry) { return (key_of(entry) - low) >> shift; };
  std::array<std::uint32_t, digits> first{}, second{};
  for (index_t i = 0; i < size; ++i) {
    const Key digit = lead(entries[i]);
    ++first[static_cast<std::size_t>(digit & (digits - 1))];
    ++second[static_cast<std::size_t>(digit >> digit_bits)];
  }
  std::uint32_t start_first = 0, start_second = 0;
  for (std::size_t d = 0; d < digits; ++d) {
    const std::uint32_t n = first[d], m = second[d];
    first[d] = start_first;
    second[d] = start_second;
    start_first += n;
    start_second += m;
  }
  for (index_t i = 0; i < size; ++i)
    other[first[static_cast<std::size_t>(lead(entries[i]) & (digits - 1))]++] = entries[i];
  for (index_t i = 0; i < size; ++i)
    entries[second[static_cast<std::size_t>(lead(other[i]) >> digit_bits)]++] = other[i];
  if (shift == 0) return;
  for (index_t i = 1; i < size; ++i) {
    if (!smaller(entries[i], entries[i - 1])) continue;
    const Key run = lead(entries[i]);
    index_t from = i - 1, to = i + 1;
    while (from > 0 && lead(entries[from - 1]) == run) --from;
    while (to < size && lead(entries[to]) == run) ++to;
    std::sort(entries + from, entries + to, smaller);
    i = to;
  }
}

template <class Key>
void sort_keys(Key* keys, Key* other, index_t size) {
  sort_by_key(keys, other, size, [](Key key) { return key; });
}

}  // namespace xaijax
