// Every small triangle's grid points and circle, and small cells' weights, against their definitions.
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "reveal/cell_shapes.hpp"
#include "reveal/triangle_shapes.hpp"

namespace {

using xaijax::area2;
using xaijax::CellShapes;
using xaijax::Point;
using xaijax::SmallBox;
using xaijax::TriangleShape;

void all_triangles() {
  xaijax::TriangleShapes shapes;
  const Point o{0, 0};
  bool same = true, narrow = true;  // no circle is 200 wide
  int count = 0;
  for (std::uint32_t i = 0; i < SmallBox::places; ++i)
    for (std::uint32_t j = 0; j < SmallBox::places; ++j) {
      const Point q = SmallBox::point(i), r = SmallBox::point(j);
      if ((q.y == 0 && q.x <= 0) || (r.y == 0 && r.x <= 0) || area2(o, q, r) <= 0) continue;
      ++count;
      const TriangleShape& shape = shapes.of(i, j);
      std::vector<std::uint32_t> expected;
      for (std::uint32_t k = 0; k < SmallBox::places; ++k) {
        const Point p = SmallBox::point(k);
        const bool vertex = k == i || k == j || (p.x == 0 && p.y == 0);
        if (!vertex && area2(p, o, q) >= 0 && area2(p, q, r) >= 0 && area2(p, r, o) >= 0) expected.push_back(k);
      }
      const bool many = expected.size() > static_cast<std::size_t>(TriangleShape::most);
      same = same && shape.turn == area2(o, q, r) && (shape.kind == TriangleShape::large) == many;
      same = same && (shape.kind == TriangleShape::points) == (!expected.empty() && !many);
      if (!many) same = same && std::equal(expected.begin(), expected.end(), shape.place, shape.place + shape.count);
      for (const Point p : {q, r})
        same = same && shape.circle[0] * p.x + shape.circle[1] * p.y == shape.turn * (p.x * p.x + p.y * p.y);
      const std::int32_t a = shape.circle[0], b = shape.circle[1];
      narrow = narrow && a * a + b * b < 200 * 200 * shape.turn * shape.turn;
    }
  CHECK(same);
  CHECK(narrow);
  CHECK(count == 6912);
}

// Vertices on and off the circle of (0, 0), (3, 1), (2, 4), which also goes through (-1, 3), near and far.
void circles() {
  xaijax::TriangleShapes shapes;
  const TriangleShape& shape = shapes.of(SmallBox::code(Point{3, 1}), SmallBox::code(Point{2, 4}));
  const auto meets = [&](Point a, Point b, Point c) {
    const auto at = [](Point p) { return xaijax::Delaunay::pack(8000 + p.x, 8000 + p.y); };
    return xaijax::circle_meets(shape, at({0, 0}), at(a), at(b), at(c));
  };
  const Point on{-1, 3}, off{-1, 2}, far{-8000, 8000};
  CHECK(meets(on, off, far) && meets(off, on, far) && meets(off, far, on));
  CHECK(!meets(off, far, off) && !meets(far, {8000, -8000}, {8000, 1}));
}

// A rectangle, a square on its corner, a regular grid octagon and a pentagon against the weights of cell.hpp.
void cells() {
  CellShapes shapes;
  xaijax::CellWeights weights;
  bool same = true;
  int points = 0;
  for (const auto& cell : {std::vector<Point>{{3, 2}, {6, 2}, {6, 4}, {3, 4}},
                           {{9, 1}, {11, 3}, {9, 5}, {7, 3}},
                           {{5, 5}, {6, 5}, {7, 6}, {7, 7}, {6, 8}, {5, 8}, {4, 7}, {4, 6}},
                           {{5, 5}, {6, 5}, {7, 6}, {6, 8}, {4, 7}}}) {
    for (int again = 0; again < 2; ++again) {
      const CellShapes::Shape shape = shapes.of(cell);
      same = same && shape.pairs == (cell.size() + 1) / 2;
      weights.set_cell(cell);
      for (std::uint32_t i = 0; i < shape.points; ++i, ++points) {
        const CellShapes::Weighted& point = shapes.points(shape)[i];
        const Point p = SmallBox::point(point.place);
        weights.set_pixel({cell[0].x + p.x, cell[0].y + p.y}, true);
        std::int64_t expected[CellShapes::vertices] = {};
        const std::int64_t sum = weights.weights(expected);
        for (std::size_t k = 0; k < cell.size(); ++k)
          same = same && point.weight[k] * sum == expected[k] * static_cast<std::int64_t>(point.sum);
      }
    }
  }
  CHECK(same);
  CHECK(points == 2 * (8 + 9 + 4 + 4));
  CHECK(shapes.of({{0, 0}, {9, 0}, {9, 9}, {0, 9}}).pairs == 0);
}

}  // namespace

int main() {
  all_triangles();
  circles();
  cells();
  return check::report();
}
