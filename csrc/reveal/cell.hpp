// Delaunay cells and the exact interpolation in them.
//
// A cell is the convex polygon of all vertices on one empty circle. Triangulating it would need a choice of diagonals,
// which on a grid is a choice at every turn; the cell needs none. Inside it pixels take Wachspress coordinates
//     w_i = |v_{i-1} v_i v_{i+1}| / (|p v_{i-1} v_i| |p v_i v_{i+1}|),
// which are barycentric in a triangle, bilinear in a rectangle and linear along every edge (Wachspress, "A Rational
// Finite Element Basis", 1975). All areas are integers, so a rebuilt integer is the exact rational value, rounded half
// to even, whatever order the vertices come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reveal/delaunay.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

struct Point {
  std::int32_t x, y;
};

inline std::int64_t area2(Point a, Point b, Point c) {
  return std::int64_t{b.x - a.x} * (c.y - a.y) - std::int64_t{b.y - a.y} * (c.x - a.x);
}

// The cell that triangle t belongs to: its vertices in turning order, starting at the first in row-major order.
// Marks the cell's triangles with `mark`.
class CellFinder {
 public:
  void find(Delaunay& mesh, std::int32_t t, std::int32_t mark, std::vector<Point>& cell);

 private:
  struct Edge {
    std::uint32_t to;
    std::int32_t twin;
  };
  std::vector<Edge> open_;
  std::vector<std::uint32_t> vertices_;
};

// The weights of one cell, evaluated pixel by pixel.
class CellWeights {
 public:
  // cell: at least 3 vertices as CellFinder gives them; it must outlive the evaluation.
  void set_cell(const std::vector<Point>& cell);

  // p lies in the closed cell and is not a vertex. On an edge only its two ends have weight.
  // `exact` prepares integer(), otherwise real().
  void set_pixel(Point p, bool exact);

  // After set_pixel(p, true): the weights as integers, in the vertices' order; their sum, or 0 if they are too large.
  std::int64_t weights(std::int64_t* weight) const;

  // The value at the pixel from the vertices' values, exact and rounded half to even. T: uint8_t, uint16_t.
  template <class T>
  T integer(const T* const* values, index_t channel) const;

  // The value at the pixel, never outside the range of the values that have weight; a NaN among those spreads.
  // T: float, double.
  template <class T>
  double real(const T* const* values, index_t channel) const;

 private:
  enum class Kind { edge, small, large };

  template <class T>
  bool rounds_up(const T* const* values, index_t channel, std::int64_t below) const;
  void multiply_out();
  void normalize();

  const Point* cell_ = nullptr;
  std::size_t size_ = 0;
  bool fits_ = false;  // whether the weights, multiplied out and summed over 16-bit values, fit 62 bits
  Kind kind_ = Kind::edge;
  std::size_t near_ = 0, far_ = 0;     // the ends of the edge the pixel lies on
  std::vector<std::int64_t> corner_;   // |v_{i-1} v_i v_{i+1}|, or all 1 when they are equal
  std::vector<std::int64_t> side_;     // |p v_i v_{i+1}|
  std::vector<std::int64_t> product_;  // kind small: integer weights; kind edge: the two ends' weights
  std::vector<double> weight_;         // weights that sum to 1
  std::int64_t sum_ = 0;
};

// Rounds the quotient of integers half to even; numerator >= 0, denominator > 0.
inline std::int64_t divide_half_even(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t quotient = numerator / denominator, twice = 2 * (numerator % denominator);
  return quotient + (twice > denominator || (twice == denominator && (quotient & 1)));
}

}  // namespace xaijax
