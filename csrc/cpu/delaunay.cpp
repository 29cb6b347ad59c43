// Bowyer-Watson insertion: the triangles whose circumcircle strictly holds the new point form a hole without inner
// vertices, so a depth-first search over the dual tree meets each once and lists the hole's edges in order.
// A point on an edge needs no case of its own: it lies strictly inside the circles on both sides of the edge.
#include "xaijax/delaunay.hpp"

namespace xaijax {

namespace {

struct Offset {
  std::int64_t x, y;
};

inline Offset offset(std::uint32_t from, std::uint32_t to) {
  return {Delaunay::x_of(to) - Delaunay::x_of(from), Delaunay::y_of(to) - Delaunay::y_of(from)};
}

inline std::int64_t cross(Offset a, Offset b) { return a.x * b.y - a.y * b.x; }
inline std::int64_t square(Offset a) { return a.x * a.x + a.y * a.y; }

// Whether `point` lies strictly inside the circle through a, b, c (in the triangles' turning sense).
inline bool in_circle(std::uint32_t point, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const Offset p = offset(point, a), q = offset(point, b), r = offset(point, c);
  return square(p) * cross(q, r) + square(q) * cross(r, p) + square(r) * cross(p, q) > 0;
}

constexpr int next_edge[3] = {1, 2, 0};
constexpr int last_edge[3] = {2, 0, 1};

}  // namespace

void Delaunay::reset(index_t height, index_t width) {
  const std::uint32_t a = pack(0, 0), b = pack(width - 1, 0), c = pack(width - 1, height - 1), d = pack(0, height - 1);
  triangles_.clear();
  triangles_.push_back({{a, b, c}, 0, {-1, -1, 4 + 0}, 0});
  triangles_.push_back({{a, c, d}, 0, {2, -1, -1}, 0});
  touched_.clear();
  stamp_ = 0;
}

void Delaunay::begin(std::int32_t stamp) {
  touched_.clear();
  stamp_ = stamp;
}

// Crosses any edge that has the point strictly behind it. In a Delaunay triangulation this cannot go in circles.
std::int32_t Delaunay::locate(std::uint32_t point, std::int32_t start) const {
  std::int32_t t = start;
  int entered = -1;
  for (;;) {
    const Triangle& now = triangles_[static_cast<std::size_t>(t)];
    int out = -1;
    for (int i = 0; i < 3; ++i) {
      if (i == entered) continue;
      if (cross(offset(now.v[i], now.v[next_edge[i]]), offset(now.v[i], point)) < 0) {
        out = i;
        break;
      }
    }
    if (out < 0) return t;
    const std::int32_t twin = now.twin[out];
    t = twin >> 2;
    entered = twin & 3;
  }
}

void Delaunay::dig(std::uint32_t point, std::int32_t start) {
  hole_.clear();
  links_.clear();
  open_.clear();
  hole_.push_back(start);
  const Triangle& first = triangles_[static_cast<std::size_t>(start)];
  for (int i = 2; i >= 0; --i) open_.push_back({first.v[i], first.v[next_edge[i]], first.twin[i]});
  while (!open_.empty()) {
    const Link edge = open_.back();
    open_.pop_back();
    if (edge.twin < 0) {
      links_.push_back(edge);
      continue;
    }
    const Triangle& behind = triangles_[static_cast<std::size_t>(edge.twin >> 2)];
    const int entered = edge.twin & 3;
    const int second = next_edge[entered], third = last_edge[entered];
    const std::uint32_t apex = behind.v[third];
    if (!in_circle(point, edge.to, edge.from, apex)) {
      links_.push_back(edge);
      continue;
    }
    hole_.push_back(edge.twin >> 2);
    open_.push_back({apex, edge.to, behind.twin[third]});
    open_.push_back({edge.from, apex, behind.twin[second]});
  }
}

std::int32_t Delaunay::star(std::uint32_t point) {
  // A point on the rectangle's side does not see the side edge it lies on: the star is open there.
  std::size_t count = links_.size(), first = 0;
  bool closed = true;
  for (std::size_t i = 0; i < count; ++i) {
    if (links_[i].twin >= 0) continue;
    if (cross(offset(links_[i].from, links_[i].to), offset(links_[i].from, point)) != 0) continue;
    closed = false;
    first = i + 1;
    break;
  }
  const std::size_t used = closed ? count : count - 1;
  while (hole_.size() < used) {
    hole_.push_back(static_cast<std::int32_t>(triangles_.size()));
    triangles_.push_back({{0, 0, 0}, stamp_ - 1, {-1, -1, -1}, 0});
  }
  for (std::size_t i = 0; i < used; ++i) {
    std::size_t at = first + i;
    if (at >= count) at -= count;
    const Link& link = links_[at];
    const std::int32_t here = hole_[i];
    const std::int32_t before = i > 0 ? 4 * hole_[i - 1] + 2 : closed ? 4 * hole_[used - 1] + 2 : -1;
    const std::int32_t after = i + 1 < used ? 4 * hole_[i + 1] : closed ? 4 * hole_[0] : -1;
    Triangle& now = triangles_[static_cast<std::size_t>(here)];
    if (now.stamp != stamp_) touched_.push_back(here);
    now = {{point, link.from, link.to}, stamp_, {before, link.twin, after}, 0};
    if (link.twin >= 0) triangles_[static_cast<std::size_t>(link.twin >> 2)].twin[link.twin & 3] = 4 * here + 1;
  }
  return hole_[0];
}

std::int32_t Delaunay::insert(std::uint32_t point, std::int32_t start) {
  dig(point, locate(point, start));
  return star(point);
}

}  // namespace xaijax
