// The grid points of small triangles by shape: where maps are noise nearly all triangles are small, and there are a few
// thousand shapes of them. A shape is worked out when it is first met.
#pragma once

#include <cstdint>
#include <vector>

#include "reveal/small_box.hpp"

namespace xaijax {

// A triangle seen from its first vertex in row-major order, the other two being q and r in turning order.
struct TriangleShape {
  enum Kind : std::uint8_t { unit, bare, points, large };
  static constexpr int most = 48;

  // The value's numerator grows by (fq - f0) * across[0] + (fr - f0) * across[1] a column, likewise by `down` a row.
  std::int16_t across[2], down[2];
  std::int16_t turn;       // twice the area: the denominator
  std::int16_t circle[2];  // circle[0] * x + circle[1] * y == turn * (x^2 + y^2)
  Kind kind;               // half a unit square; no grid points but the vertices; count of them; more than `most`
  std::uint8_t count;
  std::uint8_t place[most];  // the grid points that are no vertices, as codes of SmallBox, row by row
};
static_assert(sizeof(TriangleShape) == 64);

class TriangleShapes {
 public:
  // The shape of a triangle by its vertices' codes, seen from the first one; valid until the next call.
  const TriangleShape& of(std::uint32_t q, std::uint32_t r) {
    const std::uint32_t key = q << 7 | r;
    const std::uint16_t found = index_[key];
    return shapes_[found != 0 ? found : add(key)];
  }

 private:
  std::uint16_t add(std::uint32_t key);

  std::vector<std::uint16_t> index_ = std::vector<std::uint16_t>(SmallBox::places * SmallBox::places, 0);
  std::vector<TriangleShape> shapes_ = std::vector<TriangleShape>(1);  // 0: not met yet
};

// Whether one of three packed vertices lies on the circle of a triangle whose first vertex is `first`.
inline bool circle_meets(const TriangleShape& shape, std::uint32_t first, std::uint32_t a, std::uint32_t b,
                         std::uint32_t c) {
#if defined(__SSE2__)
  const auto lane = [](std::uint32_t vertex) { return static_cast<int>(vertex); };
  const __m128i seen = _mm_sub_epi16(_mm_setr_epi32(lane(a), lane(b), lane(c), 0), _mm_set1_epi32(lane(first)));
  // No circle is 200 wide (test_shapes.cpp): a vertex put back to 255 stays off it, and everything fits 16 bits.
  const __m128i near = _mm_min_epi16(_mm_max_epi16(seen, _mm_set1_epi16(-255)), _mm_set1_epi16(255));
  const __m128i lever = _mm_sub_epi16(both(shape.circle), _mm_mullo_epi16(near, _mm_set1_epi16(shape.turn)));
  const __m128i meets = _mm_cmpeq_epi32(_mm_madd_epi16(lever, near), _mm_setzero_si128());
  return (_mm_movemask_ps(_mm_castsi128_ps(meets)) & 7) != 0;
#else
  bool meets = false;
  for (const std::uint32_t vertex : {a, b, c}) {
    const std::int64_t x = Delaunay::x_of(vertex) - Delaunay::x_of(first);
    const std::int64_t y = Delaunay::y_of(vertex) - Delaunay::y_of(first);
    meets |= shape.circle[0] * x + shape.circle[1] * y == shape.turn * (x * x + y * y);
  }
  return meets;
#endif
}

// Fills the grid points of a triangle of one shape, of kind `points`: the image around `pixel`, the first vertex, and
// `owner` with t. offset: how many pixels each place of the box lies after the first vertex.
template <class T>
void fill_shape(const TriangleShape& shape, const T* f0, const T* fq, const T* fr, index_t channels,
                const std::int32_t* offset, T* pixel, std::int32_t* owner, std::int32_t t) {
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 1) {
    if (channels == 3) {
      using namespace three_bytes;
      const __m128i f = load(f0), zero = _mm_setzero_si128();
      const __m128i u = _mm_sub_epi16(pairs(load(fq), load(fr)), pairs(f, f));
      const __m128i across = _mm_madd_epi16(u, both(shape.across)), down = _mm_madd_epi16(u, both(shape.down));
      const __m128i steps = _mm_or_si128(_mm_and_si128(across, _mm_set1_epi32(0xffff)), _mm_slli_epi32(down, 16));
      const __m128i base = _mm_madd_epi16(pairs(f, zero), _mm_set1_epi32(shape.turn));
      const __m128 denominator = _mm_set1_ps(static_cast<float>(shape.turn));
      for (std::uint32_t i = 0; i < shape.count; ++i) {
        const std::uint32_t place = shape.place[i];
        const auto* const weights = reinterpret_cast<const __m128i*>(SmallBox::coordinates.data() + 8 * place);
        const std::int32_t at = offset[place];
        store(_mm_add_epi32(base, _mm_madd_epi16(steps, _mm_load_si128(weights))), denominator, pixel + 3 * at);
        owner[at] = t;
      }
      return;
    }
  }
#endif
  constexpr double half_even = 6755399441055744.0;  // as in triangle_rows.hpp
  for (index_t k = 0; k < channels; ++k) {
    const std::int32_t u = fq[k] - f0[k], v = fr[k] - f0[k];
    const std::int32_t across = u * shape.across[0] + v * shape.across[1], down = u * shape.down[0] + v * shape.down[1];
    for (std::uint32_t i = 0; i < shape.count; ++i) {
      const Point p = SmallBox::point(shape.place[i]);
      const std::int32_t at = offset[shape.place[i]], numerator = f0[k] * shape.turn + across * p.x + down * p.y;
      pixel[at * channels + k] = static_cast<T>(
          static_cast<std::int32_t>(numerator / static_cast<double>(shape.turn) + half_even - half_even));
      owner[at] = t;
    }
  }
}

}  // namespace xaijax
