#include "reveal/linear_fill.hpp"

#include <algorithm>
#include <cstdlib>
#include <type_traits>

namespace xaijax {

namespace {

inline void prefetch([[maybe_unused]] const void* place) {
#if defined(__GNUC__)
  __builtin_prefetch(place);
#endif
}

// The mean of two values, exact: integers half to even, reals without overflow.
template <class T>
T halfway(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(divide_half_even(std::int64_t{a} + b, 2));
  else
    return static_cast<T>(0.5 * static_cast<double>(a) + 0.5 * static_cast<double>(b));
}

template <class T>
T middle(T north, T south, T west, T east) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(divide_half_even(std::int64_t{north} + south + west + east, 4));
  else
    return static_cast<T>((0.25 * static_cast<double>(north) + 0.25 * static_cast<double>(south)) +
                          (0.25 * static_cast<double>(west) + 0.25 * static_cast<double>(east)));
}

template <class T>
T between(T a, T b, index_t from_a, index_t from_b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(divide_half_even(from_b * a + from_a * b, from_a + from_b));
  } else {
    const double length = static_cast<double>(from_a + from_b);
    const double value = static_cast<double>(from_b) / length * static_cast<double>(a) +
                         static_cast<double>(from_a) / length * static_cast<double>(b);
    const double low = std::min<double>(a, b), high = std::max<double>(a, b);
    return static_cast<T>(value < low ? low : value > high ? high : value);
  }
}

// The grid points next to the edge from a down to b, one a row: floor(x) with early = 0, ceil(x) with early = dy - 1.
void trace(Point a, Point b, std::int32_t early, std::int32_t* bound) {
  const std::int32_t dy = b.y - a.y, dx = b.x - a.x;
  std::int32_t step = dx / dy, rest = dx % dy, x = a.x, error = early;
  if (rest < 0) {
    --step;
    rest += dy;
  }
  for (std::int32_t k = 0; k <= dy; ++k) {
    bound[k] = x;
    x += step;
    error += rest;
    if (error >= dy) {
      error -= dy;
      ++x;
    }
  }
}

// Whether a neighbour's third vertex lies on the triangle's circle, the points with along * x + down * y ==
// turn * (x^2 + y^2) as seen from one of its vertices.
bool shares_circle(const Delaunay& mesh, const Delaunay::Triangle& triangle, std::uint32_t vertex, std::int64_t along,
                   std::int64_t down, std::int64_t turn) {
  const std::int64_t x = Delaunay::x_of(vertex), y = Delaunay::y_of(vertex);
  bool shares = false;
  for (const std::int32_t twin : triangle.twin) {
    if (twin < 0) continue;
    const std::uint32_t apex = mesh.triangle(twin >> 2).v[twin & 3];
    const std::int64_t dx = Delaunay::x_of(apex) - x, dy = Delaunay::y_of(apex) - y;
    shares |= along * dx + down * dy == turn * (dx * dx + dy * dy);
  }
  return shares;
}

}  // namespace

template <class T>
void LinearFill<T>::prepare(ImageView<const T> image, const Levels& levels) {
  image_ = image;
  levels_ = &levels;
  plan_.prepare(levels);
  for (std::uint32_t place = 0; place < SmallBox::places; ++place) {
    const Point p = SmallBox::point(place);
    offset_[place] = static_cast<std::int32_t>(p.y * image.width + p.x);
  }
}

template <class T>
void LinearFill<T>::along_line(T* out) {
  const index_t length = image_.pixels(), channels = image_.channels;
  for (index_t step = 0; step < levels_->count; ++step) {
    T* const target = out + levels_->image_of(step) * image_.size();
    const auto known = [&](index_t i) { return i == 0 || i == length - 1 || levels_->step(i) <= step; };
    index_t before = 0;
    for (index_t i = 0; i < length; ++i) {
      if (!known(i)) continue;
      for (index_t c = 0; c < channels; ++c) {
        const T a = image_.data[before * channels + c], b = image_.data[i * channels + c];
        for (index_t j = before + 1; j < i; ++j) target[j * channels + c] = between(a, b, j - before, i - j);
        target[i * channels + c] = b;
      }
      before = i;
    }
  }
}

template <class T>
void LinearFill<T>::lone_pixel(index_t pixel, T* target) const {
  const index_t width = image_.width, channels = image_.channels;
  const index_t x = pixel % width, y = pixel / width;
  const T* const here = image_.data + pixel * channels;
  const index_t row = width * channels;
  for (index_t c = 0; c < channels; ++c) {
    T& value = target[pixel * channels + c];
    if (x == 0 || x == width - 1)
      value = halfway(here[c - row], here[c + row]);
    else if (y == 0 || y == image_.height - 1)
      value = halfway(here[c - channels], here[c + channels]);
    else
      value = middle(here[c - row], here[c + row], here[c - channels], here[c + channels]);
  }
}

template <class T>
void LinearFill<T>::insert_level(index_t level) {
  mesh_.begin(static_cast<std::int32_t>(level + 1));
  const RevealPlan::List points = plan_.inserted(level);
  const index_t count = points.end() - points.begin();
  std::int32_t last = 0, row_start = 0;
  index_t row = -1;
  const auto owner_of = [&](index_t i) -> const std::int32_t& {
    const std::uint32_t point = points.begin()[std::min(i, count - 1)];
    return owner_[static_cast<std::size_t>(Delaunay::y_of(point) * image_.width + Delaunay::x_of(point))];
  };
  for (index_t i = 0; i < count; ++i) {
    prefetch(&owner_of(i + 8));
    prefetch(&mesh_.triangle(owner_of(i + 4)));
    const std::uint32_t point = points.begin()[i];
    const index_t y = Delaunay::y_of(point);
    std::int32_t start = owner_of(i);
    if (level == 0) start = y == row ? last : row_start;
    last = mesh_.insert(point, start);
    if (y != row) row_start = last;
    row = y;
  }
}

template <class T>
void LinearFill<T>::reveal_level(index_t level, T* target) {
  const index_t channels = image_.channels;
  for (const std::uint32_t pixel : plan_.revealed(level)) {
    const index_t at = index_t{pixel} * channels;
    for (index_t c = 0; c < channels; ++c) target[at + c] = image_.data[at + c];
  }
  for (const std::uint32_t pixel : plan_.lone(level)) lone_pixel(pixel, target);
  if (level == 0) {
    mesh_.reset(image_.height, image_.width);
    owner_.assign(static_cast<std::size_t>(image_.pixels()), 0);
  }
  insert_level(level);
  if (level == 0)
    for (std::int32_t t = 0; t < static_cast<std::int32_t>(mesh_.triangles().size()); ++t) fill_from(t, level, target);
  else
    fill_touched(level, target);
}

// The records do not fit the second-level cache: they are asked for in time.
template <class T>
void LinearFill<T>::fill_touched(index_t level, T* target) {
  const std::int32_t* const touched = mesh_.touched();
  const std::size_t count = mesh_.touched_count();
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 8 < count) prefetch(&mesh_.triangle(touched[i + 8]));
    fill_from(touched[i], level, target);
  }
}

// A triangle in a small box, by its shape; false if it is not in one.
template <class T>
bool LinearFill<T>::fill_small(const Delaunay::Triangle& triangle, std::int32_t t, index_t level, T* target) {
  // Which of three comes first is anyone's guess: no branches.
  static constexpr std::uint8_t next[3] = {1, 2, 0}, last[3] = {2, 0, 1};
  const std::uint32_t* const v = triangle.v;
  const unsigned of_two = v[1] < v[0], of_three = v[2] < std::min(v[0], v[1]), i = of_two >> of_three | of_three << 1;
  const std::uint32_t first = v[i], second = v[next[i]], third = v[last[i]];
  const std::uint32_t q = SmallBox::offset(second, first), r = SmallBox::offset(third, first);
  if (!SmallBox::holds(q | r)) return false;
  const TriangleShape& shape = triangle_shapes_.of(SmallBox::code(q), SmallBox::code(r));
  if (shape.kind == TriangleShape::unit) return true;
  if (shape.kind == TriangleShape::large) return false;
  const index_t x = Delaunay::x_of(first), y = Delaunay::y_of(first);
  if (shape.kind == TriangleShape::points) {
    const Point inside = SmallBox::point(shape.place[0]);
    if (!plan_.unknown(x + inside.x, y + inside.y, level)) return true;
  }
  const auto apex = [&](int edge) { return mesh_.triangle(triangle.twin[edge] >> 2).v[triangle.twin[edge] & 3]; };
  const bool on_side = (triangle.twin[0] | triangle.twin[1] | triangle.twin[2]) < 0;
  if (on_side ? shares_circle(mesh_, triangle, first, shape.circle[0], shape.circle[1], shape.turn)
              : circle_meets(shape, first, apex(0), apex(1), apex(2))) {
    fill_cell(t, level, target);
  } else if constexpr (std::is_integral_v<T>) {
    if (shape.kind != TriangleShape::points) return true;
    const auto value = [&](std::uint32_t p) { return value_at({Delaunay::x_of(p), Delaunay::y_of(p)}); };
    const index_t pixel = y * image_.width + x;
    fill_shape(shape, value(first), value(second), value(third), image_.channels, offset_,
               target + pixel * image_.channels, owner_.data() + pixel, t);
  }
  return true;
}

// One look at a touched triangle. The first grid point in it that is no vertex decides: known or lone, and the cell
// holds nothing to fill; else the triangle is filled here if it is a cell, and with the rest of its cell if not.
template <class T>
void LinearFill<T>::fill_from(std::int32_t t, index_t level, T* target) {
  const Delaunay::Triangle& triangle = mesh_.triangle(t);
  if (triangle.mark == static_cast<std::int32_t>(level + 1)) return;
  if constexpr (std::is_integral_v<T>) {
    if (fill_small(triangle, t, level, target)) return;
  }
  fill_by_rows(triangle, t, level, target);
}

template <class T>
void LinearFill<T>::fill_by_rows(const Delaunay::Triangle& triangle, std::int32_t t, index_t level, T* target) {
  Point p[3];
  for (int i = 0; i < 3; ++i) p[i] = {Delaunay::x_of(triangle.v[i]), Delaunay::y_of(triangle.v[i])};
  const Point q{p[1].x - p[0].x, p[1].y - p[0].y}, r{p[2].x - p[0].x, p[2].y - p[0].y};
  const std::int64_t turn = std::int64_t{q.x} * r.y - std::int64_t{q.y} * r.x;
  // Half a unit square: its circle passes through the square's corners and holds nothing.
  if (turn == 1 && std::max({std::abs(q.x), std::abs(q.y), std::abs(r.x), std::abs(r.y), std::abs(q.x - r.x),
                             std::abs(q.y - r.y)}) == 1)
    return;
  const auto is_cell = [&] {
    const auto square = [](Point v) { return std::int64_t{v.x} * v.x + std::int64_t{v.y} * v.y; };
    const std::int64_t q2 = square(q), r2 = square(r);
    return !shares_circle(mesh_, triangle, triangle.v[0], q2 * r.y - r2 * q.y, r2 * q.x - q2 * r.x, turn);
  };
  if (turn == 1) {  // no grid point but the vertices
    if (!is_cell()) fill_cell(t, level, target);
    return;
  }
  const index_t width = image_.width, channels = image_.channels;
  const TriangleScan scan(p[0], p[1], p[2]);
  bool decided = false;
  for (index_t y = scan.top(); y <= scan.bottom(); ++y) {
    index_t first, last;
    scan.row(y, first, last);
    if (!decided) {
      for (index_t x = first; x <= last && !decided; ++x) {
        if (plan_.unknown(x, y, level)) {
          decided = true;
        } else {
          const std::uint32_t here = Delaunay::pack(x, y);
          if (here != triangle.v[0] && here != triangle.v[1] && here != triangle.v[2]) return;
        }
      }
      if (!decided) continue;
      if (!is_cell()) return fill_cell(t, level, target);
      set_triangle(p);
    }
    if (first > last) continue;
    std::int32_t* const owner = owner_.data() + y * width + first;  // where a later level can start its walk
    T* const out = target + (y * width + first) * channels;
    if constexpr (std::is_integral_v<T>)
      rows_.fill(y, first, last, out, owner, t);
    else
      fill_real_row(y, first, last, out, owner, t);
  }
  if (!decided && !is_cell()) fill_cell(t, level, target);
}

template <class T>
void LinearFill<T>::set_triangle(const Point* p) {
  if constexpr (std::is_integral_v<T>) {
    rows_.set(p[0], p[1], p[2], value_at(p[0]), value_at(p[1]), value_at(p[2]), image_.channels);
  } else {
    // From the first vertex in row-major order: sums of reals depend on the order.
    const auto before = [](Point a, Point b) { return a.y < b.y || (a.y == b.y && a.x < b.x); };
    cell_.assign(p, p + 3);
    std::rotate(cell_.begin(), std::min_element(cell_.begin(), cell_.end(), before), cell_.end());
    values_.resize(3);
    for (std::size_t i = 0; i < 3; ++i) values_[i] = value_at(cell_[i]);
    weights_.set_cell(cell_);
  }
}

// Inside a triangle the weights are areas. Its edges and vertices are left to the cell's own way.
template <class T>
void LinearFill<T>::fill_real_row([[maybe_unused]] index_t y, [[maybe_unused]] index_t first,
                                  [[maybe_unused]] index_t last, [[maybe_unused]] T* out, std::int32_t* owner,
                                  std::int32_t t) {
  if constexpr (std::is_floating_point_v<T>) {
    std::fill(owner, owner + (last - first + 1), t);
    const Point a = cell_[0], b = cell_[1], c = cell_[2];
    const Point p{static_cast<std::int32_t>(first), static_cast<std::int32_t>(y)};
    std::int64_t ab = area2(p, a, b), bc = area2(p, b, c), ca = area2(p, c, a);
    const double share = 1.0 / static_cast<double>(ab + bc + ca);
    for (index_t x = first; x <= last; ++x, out += image_.channels) {
      if (ab > 0 && bc > 0 && ca > 0) {
        const double u = static_cast<double>(bc) * share, v = static_cast<double>(ca) * share,
                     w = static_cast<double>(ab) * share;
        for (index_t k = 0; k < image_.channels; ++k) {
          const double fa = static_cast<double>(values_[0][k]), fb = static_cast<double>(values_[1][k]),
                       fc = static_cast<double>(values_[2][k]);
          const double value = u * fa + v * fb + w * fc;
          const double low = std::min(std::min(fa, fb), fc), high = std::max(std::max(fa, fb), fc);
          out[k] = static_cast<T>(value < low ? low : value > high ? high : value);
        }
      } else if ((ab == 0) + (bc == 0) + (ca == 0) < 2) {
        weights_.set_pixel({static_cast<std::int32_t>(x), static_cast<std::int32_t>(y)}, false);
        for (index_t k = 0; k < image_.channels; ++k) out[k] = static_cast<T>(weights_.real(values_.data(), k));
      }
      ab += a.y - b.y;
      bc += b.y - c.y;
      ca += c.y - a.y;
    }
  }
}

// A cell of four vertices or more, from any of its triangles.
template <class T>
void LinearFill<T>::fill_cell(std::int32_t triangle, index_t level, T* target) {
  finder_.find(mesh_, triangle, static_cast<std::int32_t>(level + 1), cell_);
  const std::size_t n = cell_.size();
  const index_t top = cell_[0].y, width = image_.width, channels = image_.channels;
  values_.resize(n);
  if constexpr (std::is_integral_v<T>) {
    const CellShapes::Shape shape = cell_shapes_.of(cell_);
    if (shape.pairs != 0) {
      const CellShapes::Weighted* const points = cell_shapes_.points(shape);
      if (shape.points == 0) return;
      const Point inside = SmallBox::point(points->place);
      if (!plan_.unknown(cell_[0].x + inside.x, top + inside.y, level)) return;
      for (std::size_t i = 0; i < n; ++i) values_[i] = value_at(cell_[i]);
      const index_t pixel = top * width + cell_[0].x;
      return fill_shape(shape, points, values_, channels, offset_, target + pixel * channels, owner_.data() + pixel,
                        triangle);
    }
  }
  index_t bottom = top;
  for (const Point& vertex : cell_) bottom = std::max<index_t>(bottom, vertex.y);
  const auto rows = static_cast<std::size_t>(bottom - top + 1);
  if (left_.size() < rows) {
    left_.resize(rows);
    right_.resize(rows);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const Point a = cell_[i], b = cell_[i + 1 == n ? 0 : i + 1];
    // The cell turns with the y axis pointing down: edges going down are on its right.
    if (b.y > a.y) trace(a, b, 0, right_.data() + (a.y - top));
    if (b.y < a.y) trace(b, a, a.y - b.y - 1, left_.data() + (b.y - top));
  }
  bool decided = false;
  for (index_t y = top; y <= bottom; ++y) {
    const index_t first = left_[static_cast<std::size_t>(y - top)], last = right_[static_cast<std::size_t>(y - top)];
    for (index_t x = first; x <= last; ++x) {
      if (!plan_.unknown(x, y, level)) {
        if (decided) continue;  // a vertex
        bool vertex = false;
        for (const Point& v : cell_) vertex |= v.x == x && v.y == y;
        if (!vertex) return;
        continue;
      }
      if (!decided) {
        decided = true;
        weights_.set_cell(cell_);
        for (std::size_t i = 0; i < n; ++i) values_[i] = value_at(cell_[i]);
      }
      owner_[static_cast<std::size_t>(y * width + x)] = triangle;
      weights_.set_pixel({static_cast<std::int32_t>(x), static_cast<std::int32_t>(y)}, std::is_integral_v<T>);
      T* const pixel = target + (y * width + x) * channels;
      for (index_t c = 0; c < channels; ++c) {
        if constexpr (std::is_integral_v<T>)
          pixel[c] = weights_.integer(values_.data(), c);
        else
          pixel[c] = static_cast<T>(weights_.real(values_.data(), c));
      }
    }
  }
}

template <class T>
void LinearFill<T>::run(ImageView<const T> image, const Levels& levels, T* out, const LinearStart<T>* start) {
  if (levels.count == 0) return;
  image_ = image;
  levels_ = &levels;
  if (image.height == 1 || image.width == 1) return along_line(out);
  prepare(image, levels);
  for (index_t level = 0; level < levels.count; ++level) {
    T* const target = out + levels.image_of(level) * image.size();
    if (level == 0 && start != nullptr) {
      mesh_ = start->mesh;
      owner_ = start->owner;
      std::copy(start->image.begin(), start->image.end(), target);
      continue;
    }
    if (level > 0) {
      const T* const previous = out + levels.image_of(level - 1) * image.size();
      std::copy(previous, previous + image.size(), target);
    }
    reveal_level(level, target);
  }
}

template <class T>
void LinearFill<T>::first(ImageView<const T> image, const Levels& levels, LinearStart<T>& start) {
  prepare(image, levels);
  start.image.resize(static_cast<std::size_t>(image.size()));
  reveal_level(0, start.image.data());
  start.mesh = mesh_;
  start.owner = owner_;
}

template class LinearFill<std::uint8_t>;
template class LinearFill<std::uint16_t>;
template class LinearFill<float>;
template class LinearFill<double>;

}  // namespace xaijax
