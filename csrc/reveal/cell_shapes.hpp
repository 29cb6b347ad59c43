// The grid points of small cells of four vertices or more, and their weights, by shape: the same few hundred come again
// and again. A shape is worked out when it is first met.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "reveal/small_box.hpp"

namespace xaijax {

class CellShapes {
 public:
  static constexpr std::size_t vertices = 8;

  struct Shape {
    std::uint32_t first;   // the first point's place in the list
    std::uint16_t points;  // grid points that are no vertices
    std::uint16_t pairs;   // of vertices; 0: not in the table
  };

  // A point's weights are integers below 2^15, the vertices' two by two, and add up to `sum`.
  struct Weighted {
    std::int16_t weight[vertices];
    std::uint32_t place;  // a code of SmallBox
    float sum;
  };

  // The cell's shape, or none (pairs == 0): too large, or the weights are, or there is no more room.
  Shape of(const std::vector<Point>& cell);

  const Weighted* points(const Shape& shape) const { return points_.data() + shape.first; }

 private:
  static constexpr std::size_t slots = 4096, most = 3072;

  struct Slot {
    std::uint64_t key;  // the codes of the vertices after the first, 7 bits each; 0: free
    Shape shape;
  };

  Shape work_out(const std::vector<Point>& cell);

  std::vector<Slot> slots_ = std::vector<Slot>(slots);
  std::size_t used_ = 0;
  std::vector<Weighted> points_;
  CellWeights weights_;
};

// Fills the points of a cell of one shape, as fill_shape of triangle_shapes.hpp does. values: the vertices', in order.
template <class T>
void fill_shape(const CellShapes::Shape& shape, const CellShapes::Weighted* points, const std::vector<const T*>& values,
                index_t channels, const std::int32_t* offset, T* pixel, std::int32_t* owner, std::int32_t t) {
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 1) {
    if (channels == 3) {
      using namespace three_bytes;
      __m128i value[CellShapes::vertices / 2];
      for (std::size_t j = 0; j < shape.pairs; ++j)
        value[j] = pairs(load(values[2 * j]), load(values[std::min(2 * j + 1, values.size() - 1)]));
      for (std::uint32_t i = 0; i < shape.points; ++i) {
        const __m128i weights = _mm_loadu_si128(reinterpret_cast<const __m128i*>(points[i].weight));
        __m128i sum = _mm_add_epi32(_mm_madd_epi16(value[0], _mm_shuffle_epi32(weights, 0x00)),
                                    _mm_madd_epi16(value[1], _mm_shuffle_epi32(weights, 0x55)));
        if (shape.pairs > 2) sum = _mm_add_epi32(sum, _mm_madd_epi16(value[2], _mm_shuffle_epi32(weights, 0xaa)));
        if (shape.pairs > 3) sum = _mm_add_epi32(sum, _mm_madd_epi16(value[3], _mm_shuffle_epi32(weights, 0xff)));
        const std::int32_t at = offset[points[i].place];
        store(sum, _mm_set1_ps(points[i].sum), pixel + 3 * at);
        owner[at] = t;
      }
      return;
    }
  }
#endif
  for (std::uint32_t i = 0; i < shape.points; ++i) {
    const std::int32_t at = offset[points[i].place];
    for (index_t k = 0; k < channels; ++k) {
      std::int64_t sum = 0;
      for (std::size_t j = 0; j < values.size(); ++j) sum += std::int64_t{points[i].weight[j]} * values[j][k];
      pixel[at * channels + k] = static_cast<T>(divide_half_even(sum, static_cast<std::int64_t>(points[i].sum)));
    }
    owner[at] = t;
  }
}

}  // namespace xaijax
