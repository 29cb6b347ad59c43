// Linear reveal: rebuilds an image from nested sets of known pixels by interpolation in Delaunay cells.
//
// One incremental triangulation serves all levels and channels. From level to level only the cells that changed are
// filled again; everything else is carried over by copying the previous image.
//
// Pixels left out of the triangulation. Call an unknown pixel lone when its side neighbours in the image are all known.
// (1) A lone pixel is the centre of the circle through its neighbours, which holds nothing else: its value is their
//     mean, or on the image's side the mean of the two neighbours along the side. No triangulation is needed for it.
// (2) A known pixel is a corner of a cell that holds a pixel which is unknown and not lone only if it has such a pixel
//     among its own side neighbours. (Seen from a point p of the circle, a neighbour not strictly inside bounds the
//     centre's coordinate by 1/2; if all four are so bounded, |q|^2 < 2 q.c <= |q_x| + |q_y| has no integer solution q;
//     the same sum seen from a lone pixel shows that a circle around it holds no other grid point.)
// So only the points of (2) are inserted. A cell of what is left then either is a cell of all known pixels, and every
// grid point in it that is no vertex is unknown and not lone, or it holds no such pixel: the first grid point met in a
// cell decides whether it is filled.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "reveal/cell.hpp"
#include "reveal/cell_shapes.hpp"
#include "reveal/delaunay.hpp"
#include "reveal/reveal_plan.hpp"
#include "reveal/triangle_rows.hpp"
#include "reveal/triangle_shapes.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

// What a reveal has done up to its first image: other maps with the same pixels known there can start from it.
template <class T>
struct LinearStart {
  Delaunay mesh;
  std::vector<std::int32_t> owner;
  std::vector<T> image;
};

// One worker's memory, to be used for one map after the other.
template <class T>
class LinearFill {
 public:
  // Writes levels.count images to out, the i-th knowing the pixels of level <= i (and the corners); or, where
  // levels.reversed, in reverse order. `start`, if given, was made by first() from the same image and first level.
  void run(ImageView<const T> image, const Levels& levels, T* out, const LinearStart<T>* start = nullptr);

  // The state after the first image, for run().
  void first(ImageView<const T> image, const Levels& levels, LinearStart<T>& start);

 private:
  void prepare(ImageView<const T> image, const Levels& levels);
  void along_line(T* out);
  void reveal_level(index_t level, T* target);
  void insert_level(index_t level);
  void fill_touched(index_t level, T* target);
  void fill_from(std::int32_t triangle, index_t level, T* target);
  bool fill_small(const Delaunay::Triangle& triangle, std::int32_t t, index_t level, T* target);
  void fill_by_rows(const Delaunay::Triangle& triangle, std::int32_t t, index_t level, T* target);
  void set_triangle(const Point* vertices);
  void fill_real_row(index_t y, index_t first, index_t last, T* out, std::int32_t* owner, std::int32_t t);
  void fill_cell(std::int32_t triangle, index_t level, T* target);
  void lone_pixel(index_t pixel, T* target) const;

  const T* value_at(Point p) const { return image_.data + (p.y * image_.width + p.x) * image_.channels; }

  ImageView<const T> image_;
  const Levels* levels_ = nullptr;
  RevealPlan plan_;
  Delaunay mesh_;
  CellFinder finder_;
  CellWeights weights_;
  TriangleRows<std::conditional_t<std::is_integral_v<T>, T, std::uint16_t>> rows_;  // integers alone use it
  std::vector<std::int32_t> owner_;  // a triangle at or near the pixel, as of the last level
  std::vector<Point> cell_;
  std::vector<const T*> values_;
  std::vector<std::int32_t> left_, right_;
  TriangleShapes triangle_shapes_;
  CellShapes cell_shapes_;
  std::int32_t offset_[SmallBox::places];  // of a place's pixel from the box's first one
};

}  // namespace xaijax
