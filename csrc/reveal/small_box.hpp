// Cells and triangles small enough to be looked up instead of worked out: all vertices lie at most 7 rows below the
// first one in row-major order, and at most 8 columns left and 7 right of it. A place in that box is a code of 7 bits.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "reveal/cell.hpp"

namespace xaijax {

struct SmallBox {
  static constexpr int places = 128;

  // A packed vertex (Delaunay::pack) seen from the first one, which it follows in row-major order: y << 16 | x + 8.
  static std::uint32_t offset(std::uint32_t vertex, std::uint32_t first) { return vertex - first + 8; }
  static bool holds(std::uint32_t offsets) { return (offsets & 0xfff8fff0u) == 0; }  // of one, or several or-ed
  static std::uint32_t code(std::uint32_t offset) { return (offset | offset >> 12) & 127; }
  static std::uint32_t code(Point p) { return static_cast<std::uint32_t>(16 * p.y + p.x + 8); }
  static constexpr Point point(std::uint32_t code) {
    return {static_cast<std::int32_t>(code & 15) - 8, static_cast<std::int32_t>(code >> 4)};
  }

  // Four times (x, y) of every place: 16 bits each, for _mm_madd_epi16.
  alignas(16) static constexpr auto coordinates = [] {
    std::array<std::int16_t, 8 * places> all{};
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      const Point p{static_cast<std::int32_t>(i / 8 & 15) - 8, static_cast<std::int32_t>(i / 8 >> 4)};
      all[i] = static_cast<std::int16_t>(i % 2 == 0 ? p.x : p.y);
    }
    return all;
  }();
};

#if defined(__SSE2__)
// A pair of 16-bit weights, four times.
inline __m128i both(const std::int16_t (&weights)[2]) {
  std::int32_t pair;
  std::memcpy(&pair, weights, 4);
  return _mm_set1_epi32(pair);
}

// Three channels of bytes as one vector: exact numerators below 2^24 (16-bit quotients of less than 2^16, see
// triangle_rows.hpp) divided, rounded half to even, and written.
namespace three_bytes {

inline __m128i load(const std::uint8_t* pixel) {
  std::uint16_t two;
  std::memcpy(&two, pixel, 2);
  return _mm_cvtsi32_si128(two | pixel[2] << 16);
}

// The 16-bit pairs (a, b) of each channel: what _mm_madd_epi16 multiplies with a pair of weights.
inline __m128i pairs(__m128i a, __m128i b) { return _mm_unpacklo_epi8(_mm_unpacklo_epi8(a, b), _mm_setzero_si128()); }

inline void store(__m128i numerators, __m128 denominator, std::uint8_t* pixel) {
  const __m128i words = _mm_cvtps_epi32(_mm_div_ps(_mm_cvtepi32_ps(numerators), denominator));
  const __m128i halves = _mm_packs_epi32(words, words);
  const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
  const auto two = static_cast<std::uint16_t>(bytes);
  std::memcpy(pixel, &two, 2);
  pixel[2] = static_cast<std::uint8_t>(bytes >> 16);
}

}  // namespace three_bytes
#endif

}  // namespace xaijax
