#include "reveal/triangle_shapes.hpp"

#include <algorithm>
#include <cstdlib>

namespace xaijax {

std::uint16_t TriangleShapes::add(std::uint32_t key) {
  const Point q = SmallBox::point(key >> 7), r = SmallBox::point(key & 127);
  const auto narrow = [](std::int32_t value) { return static_cast<std::int16_t>(value); };
  const auto square = [](Point p) { return p.x * p.x + p.y * p.y; };
  TriangleShape shape{};
  shape.turn = narrow(q.x * r.y - q.y * r.x);
  shape.across[0] = narrow(r.y);
  shape.across[1] = narrow(-q.y);
  shape.down[0] = narrow(-r.x);
  shape.down[1] = narrow(q.x);
  shape.circle[0] = narrow(square(q) * r.y - square(r) * q.y);
  shape.circle[1] = narrow(square(r) * q.x - square(q) * r.x);
  const std::int32_t left = std::min({0, q.x, r.x}), right = std::max({0, q.x, r.x}), bottom = std::max(q.y, r.y);
  shape.kind = TriangleShape::points;
  if (shape.turn == 1) shape.kind = right - left == 1 && bottom == 1 ? TriangleShape::unit : TriangleShape::bare;
  // The point's twice areas with the three edges, which change by the same from column to column.
  const std::int32_t step_a = q.y - r.y, step_b = r.y, step_c = -q.y;
  for (std::int32_t y = 0; y <= bottom && shape.turn > 1; ++y) {
    std::int32_t b = r.x * -y + r.y * left, c = q.x * y - q.y * left, a = shape.turn - b - c;
    for (std::int32_t x = left; x <= right; ++x, a += step_a, b += step_b, c += step_c) {
      if ((a | b | c) < 0 || (a == 0) + (b == 0) + (c == 0) >= 2) continue;
      if (shape.count < TriangleShape::most)
        shape.place[shape.count++] = static_cast<std::uint8_t>(SmallBox::code(Point{x, y}));
      else
        shape.kind = TriangleShape::large;
    }
  }
  shapes_.push_back(shape);
  return index_[key] = static_cast<std::uint16_t>(shapes_.size() - 1);
}

}  // namespace xaijax
