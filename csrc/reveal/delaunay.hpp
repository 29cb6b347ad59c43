// Incremental Delaunay triangulation of grid points inside a rectangle whose four corners are there from the start.
// Every predicate is exact: coordinates are integers below 2^14, so orientations stay below 2^30 and in-circle
// determinants below 2^61. Co-circular points are left as they fall (only a point strictly inside a circumcircle
// removes the triangle): whoever reads the triangulation merges triangles that share a circle into one cell.
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

class Delaunay {
 public:
  static constexpr index_t max_side = 1 << 14;

  // Vertices are packed as y << 16 | x. Edge i lies opposite v[i], from v[i + 1] to v[i + 2]; twin[i] is the same edge
  // seen from the neighbour, as 4 * triangle + edge, or -1 on the rectangle's side. All triangles turn the same way:
  // (v1 - v0) x (v2 - v0) > 0. `stamp` is the level that last wrote the record; `mark` is the reader's.
  struct Triangle {
    std::uint32_t v[3];
    std::int32_t stamp;
    std::int32_t twin[3];
    std::int32_t mark;
  };

  static std::uint32_t pack(index_t x, index_t y) { return static_cast<std::uint32_t>(y << 16 | x); }
  static std::int32_t x_of(std::uint32_t vertex) { return static_cast<std::int32_t>(vertex & 0xffff); }
  static std::int32_t y_of(std::uint32_t vertex) { return static_cast<std::int32_t>(vertex >> 16); }

  // Starts again with the four corners of a height x width grid, both sides at least 2 and at most max_side.
  void reset(index_t height, index_t width);

  // Opens a level: triangles written from now on are listed by touched().
  void begin(std::int32_t stamp);

  // Adds a grid point that is not a vertex yet, walking from triangle `start`; returns a triangle at the point.
  std::int32_t insert(std::uint32_t point, std::int32_t start);

  // Every triangle written since begin(), once.
  const std::int32_t* touched() const { return touched_.data(); }
  std::size_t touched_count() const { return touched_count_; }

  const std::vector<Triangle>& triangles() const { return triangles_; }
  const Triangle& triangle(std::int32_t t) const { return triangles_[static_cast<std::size_t>(t)]; }
  Triangle& triangle(std::int32_t t) { return triangles_[static_cast<std::size_t>(t)]; }

 private:
  struct Edge {  // an edge of the hole that a new point sees: one of its ends, and the triangle behind it
    std::uint32_t vertex;
    std::int32_t twin;
  };

  std::int32_t locate(std::uint32_t point, std::int32_t start) const;
  std::size_t dig(std::uint32_t point, std::int32_t start);
  void grow();
  std::int32_t star(std::uint32_t point, std::size_t count);

  std::vector<Triangle> triangles_;
  std::vector<std::int32_t> touched_;
  std::size_t touched_count_ = 0;
  // A hole of h triangles has h + 2 edges, those still to be looked behind included.
  std::size_t room_ = 64;
  std::vector<std::int32_t> hole_ = std::vector<std::int32_t>(room_);
  std::vector<Edge> links_ = std::vector<Edge>(room_);  // by their starts
  std::vector<Edge> open_ = std::vector<Edge>(room_);   // by their ends
  std::size_t holes_ = 0;
  bool on_side_ = false;  // whether the hole reaches the rectangle's side
  std::int32_t stamp_ = 0;
};

}  // namespace xaijax
