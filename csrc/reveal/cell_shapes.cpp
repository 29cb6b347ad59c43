#include "reveal/cell_shapes.hpp"

#include <algorithm>
#include <numeric>

namespace xaijax {

namespace {

constexpr std::int64_t limit = 1 << 15;  // of a sum of weights

}  // namespace

CellShapes::Shape CellShapes::of(const std::vector<Point>& cell) {
  if (cell.size() > vertices) return {};
  const std::uint32_t first = Delaunay::pack(cell[0].x, cell[0].y);
  std::uint64_t key = 0;
  std::uint32_t all = 0;
  for (std::size_t i = 1; i < cell.size(); ++i) {
    const std::uint32_t offset = SmallBox::offset(Delaunay::pack(cell[i].x, cell[i].y), first);
    all |= offset;
    key = key << 7 | SmallBox::code(offset);
  }
  if (!SmallBox::holds(all)) return {};
  std::size_t at = key * 0x9e3779b97f4a7c15u >> 52;  // 12 bits: a slot
  while (slots_[at].key != key) {
    if (slots_[at].key == 0) {
      if (used_ == most) return {};
      ++used_;
      slots_[at] = {key, work_out(cell)};
      break;
    }
    at = (at + 1) % slots;
  }
  return slots_[at].shape;
}

CellShapes::Shape CellShapes::work_out(const std::vector<Point>& cell) {
  const std::size_t n = cell.size();
  Shape shape{static_cast<std::uint32_t>(points_.size()), 0, static_cast<std::uint16_t>((n + 1) / 2)};
  Point seen[vertices];  // from the first vertex
  std::int32_t left = 0, right = 0, bottom = 0;
  for (std::size_t i = 0; i < n; ++i) {
    seen[i] = {cell[i].x - cell[0].x, cell[i].y - cell[0].y};
    left = std::min(left, seen[i].x);
    right = std::max(right, seen[i].x);
    bottom = std::max(bottom, seen[i].y);
  }
  // A point's twice areas with the edges: all positive inside, one of them zero on an edge and two at a vertex.
  const auto has = [&](Point p) {
    int zeros = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const Point a = seen[i], b = seen[i + 1 == n ? 0 : i + 1];
      const std::int32_t area = (a.x - p.x) * (b.y - p.y) - (a.y - p.y) * (b.x - p.x);
      if (area < 0) return false;
      zeros += area == 0;
    }
    return zeros < 2;
  };
  weights_.set_cell(cell);
  for (std::int32_t i = 0, wide = right - left + 1; i < wide * (bottom + 1); ++i) {
    const Point p{left + i % wide, i / wide};
    if (!has(p)) continue;
    weights_.set_pixel({cell[0].x + p.x, cell[0].y + p.y}, true);
    std::array<std::int64_t, vertices> weight{};
    std::int64_t sum = weights_.weights(weight.data());
    if (sum >= limit) {
      std::int64_t common = sum;
      for (const std::int64_t w : weight) common = std::gcd(common, w);
      for (std::int64_t& w : weight) w /= common;
      sum /= common;
    }
    if (sum == 0 || sum >= limit) {
      points_.resize(shape.first);
      return {};
    }
    Weighted& point = points_.emplace_back();
    std::copy(weight.begin(), weight.end(), point.weight);
    point.place = SmallBox::code(p);
    point.sum = static_cast<float>(sum);
    ++shape.points;
  }
  return shape;
}

}  // namespace xaijax
