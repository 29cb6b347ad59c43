// The triangulation keeps its promises: it covers the rectangle, twins match, and no circumcircle holds a vertex.
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "check.hpp"
#include "reveal/cell.hpp"
#include "reveal/delaunay.hpp"

namespace {

using xaijax::area2;
using xaijax::Delaunay;
using xaijax::index_t;
using xaijax::Point;

Point point_of(std::uint32_t vertex) { return {Delaunay::x_of(vertex), Delaunay::y_of(vertex)}; }

std::int64_t in_circle(Point a, Point b, Point c, Point p) {
  const auto row = [p](Point q) { return Point{q.x - p.x, q.y - p.y}; };
  const auto square = [](Point q) { return std::int64_t{q.x} * q.x + std::int64_t{q.y} * q.y; };
  const auto cross = [](Point q, Point r) { return std::int64_t{q.x} * r.y - std::int64_t{q.y} * r.x; };
  const Point u = row(a), v = row(b), w = row(c);
  return square(u) * cross(v, w) + square(v) * cross(w, u) + square(w) * cross(u, v);
}

bool sound(const Delaunay& mesh, index_t height, index_t width, const std::vector<std::uint32_t>& points) {
  std::int64_t area = 0;
  const auto& triangles = mesh.triangles();
  for (std::size_t t = 0; t < triangles.size(); ++t) {
    const auto& now = triangles[t];
    const Point a = point_of(now.v[0]), b = point_of(now.v[1]), c = point_of(now.v[2]);
    if (area2(a, b, c) <= 0) return false;
    area += area2(a, b, c);
    for (const auto p : points)
      if (in_circle(a, b, c, point_of(p)) > 0) return false;
    for (int i = 0; i < 3; ++i) {
      if (now.twin[i] < 0) continue;
      const auto& behind = triangles[static_cast<std::size_t>(now.twin[i] >> 2)];
      const int j = now.twin[i] & 3;
      if (behind.twin[j] != static_cast<std::int32_t>(4 * t) + i) return false;
      if (behind.v[(j + 1) % 3] != now.v[(i + 2) % 3] || behind.v[(j + 2) % 3] != now.v[(i + 1) % 3]) return false;
    }
  }
  return area == 2 * (height - 1) * (width - 1);
}

void random_points() {
  std::mt19937 random(1);
  struct Case {
    index_t height, width;
    int count;
  };
  for (const auto& [height, width, count] :
       {Case{2, 2, 0}, Case{2, 9, 8}, Case{9, 2, 10}, Case{5, 5, 21}, Case{12, 17, 60}, Case{40, 40, 200},
        Case{7, 300, 120}}) {
    Delaunay mesh;
    mesh.reset(height, width);
    std::vector<std::uint32_t> points{Delaunay::pack(0, 0), Delaunay::pack(width - 1, 0), Delaunay::pack(0, height - 1),
                                      Delaunay::pack(width - 1, height - 1)};
    std::set<std::uint32_t> seen(points.begin(), points.end());
    std::int32_t last = 0;
    bool listed = true;
    for (int i = 0; i < count; ++i) {
      const auto x = static_cast<index_t>(random() % static_cast<unsigned>(width));
      const auto y = static_cast<index_t>(random() % static_cast<unsigned>(height));
      if (!seen.insert(Delaunay::pack(x, y)).second) continue;
      mesh.begin(i + 1);
      last = mesh.insert(Delaunay::pack(x, y), last);
      points.push_back(Delaunay::pack(x, y));
      std::set<std::int32_t> touched(mesh.touched(), mesh.touched() + mesh.touched_count());
      listed = listed && touched.size() == mesh.touched_count();
      for (std::size_t t = 0; t < mesh.triangles().size(); ++t)
        listed = listed && (mesh.triangles()[t].stamp == i + 1) == (touched.count(static_cast<std::int32_t>(t)) == 1);
    }
    CHECK(listed);
    CHECK(sound(mesh, height, width, points));
  }
}

// Every grid point, in order: all circles are shared by four points, and every cell is a unit square.
void full_grid() {
  Delaunay mesh;
  mesh.reset(8, 11);
  mesh.begin(1);
  std::vector<std::uint32_t> points;
  for (index_t y = 0; y < 8; ++y)
    for (index_t x = 0; x < 11; ++x) {
      points.push_back(Delaunay::pack(x, y));
      if ((x == 0 || x == 10) && (y == 0 || y == 7)) continue;
      mesh.insert(points.back(), 0);
    }
  CHECK(sound(mesh, 8, 11, points));
  CHECK(mesh.triangles().size() == 2 * 7 * 10);
  xaijax::CellFinder finder;
  std::vector<Point> cell;
  bool squares = true;
  int cells = 0;
  for (std::int32_t t = 0; t < 140; ++t) {
    if (mesh.triangle(t).mark == 1) continue;
    finder.find(mesh, t, 1, cell);
    ++cells;
    squares = squares && cell.size() == 4 && area2(cell[0], cell[1], cell[2]) == 1 && cell[2].x == cell[0].x + 1;
  }
  CHECK(squares);
  CHECK(cells == 70);
}

// The largest coordinates there are.
void far_corners() {
  Delaunay mesh;
  const index_t side = Delaunay::max_side;
  mesh.reset(side, side);
  mesh.begin(1);
  std::vector<std::uint32_t> points{Delaunay::pack(0, 0), Delaunay::pack(side - 1, 0), Delaunay::pack(0, side - 1),
                                    Delaunay::pack(side - 1, side - 1)};
  std::int32_t last = 0;
  for (const auto& [x, y] : {std::pair<index_t, index_t>{1, 1}, {side - 2, 1}, {side / 2, side / 2},
                             {side - 2, side - 2}, {3, side - 1}, {side - 1, 7}, {5, 8000}, {6, 8001}}) {
    points.push_back(Delaunay::pack(x, y));
    last = mesh.insert(points.back(), last);
  }
  CHECK(sound(mesh, side, side, points));
}

}  // namespace

int main() {
  random_points();
  full_grid();
  far_corners();
  return check::report();
}
