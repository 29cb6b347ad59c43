#include "reveal/cell.hpp"

#include <algorithm>
#include <cmath>

namespace xaijax {

namespace {

int bit_length(std::int64_t value) {
  int bits = 0;
  for (; value > 0; value >>= 1) ++bits;
  return bits;
}

// An unsigned integer of any size: as much of one as a product of areas needs.
class Natural {
 public:
  explicit Natural(std::uint32_t value) : limbs_{value} {}

  void multiply(std::uint32_t factor) {
    std::uint64_t carry = 0;
    for (auto& limb : limbs_) {
      carry += std::uint64_t{limb} * factor;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) limbs_.push_back(static_cast<std::uint32_t>(carry));
  }

  void add(const Natural& other) {
    if (limbs_.size() < other.limbs_.size()) limbs_.resize(other.limbs_.size(), 0);
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
      carry += std::uint64_t{limbs_[i]} + (i < other.limbs_.size() ? other.limbs_[i] : 0);
      limbs_[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) limbs_.push_back(static_cast<std::uint32_t>(carry));
  }

  // Below zero, zero or above zero as *this is smaller than, equal to or larger than other.
  int compare(const Natural& other) const {
    for (std::size_t i = std::max(limbs_.size(), other.limbs_.size()); i-- > 0;) {
      const std::uint32_t mine = i < limbs_.size() ? limbs_[i] : 0;
      const std::uint32_t its = i < other.limbs_.size() ? other.limbs_[i] : 0;
      if (mine != its) return mine < its ? -1 : 1;
    }
    return 0;
  }

 private:
  std::vector<std::uint32_t> limbs_;  // least significant first
};

// divide_half_even for quotients below 2^16, faster where float64 is exact: see triangle_rows.hpp.
template <class T>
T divided(std::int64_t numerator, std::int64_t denominator) {
  if (denominator >= std::int64_t{1} << 36) return static_cast<T>(divide_half_even(numerator, denominator));
  constexpr double half_even = 6755399441055744.0;  // 1.5 * 2^52
  const double quotient = static_cast<double>(numerator) / static_cast<double>(denominator);
  return static_cast<T>(static_cast<std::int32_t>(quotient + half_even - half_even));
}

}  // namespace

// The triangulation of a cell has no inner vertices, so a depth-first search over its dual tree meets the polygon's
// edges in turning order, and the end of one is the start of the next.
void CellFinder::find(Delaunay& mesh, std::int32_t t, std::int32_t mark, std::vector<Point>& cell) {
  Delaunay::Triangle& start = mesh.triangle(t);
  start.mark = mark;
  // The circle through the first triangle: on it along*x + down*y == turn*(x^2 + y^2), seen from its first vertex.
  const std::int64_t x = Delaunay::x_of(start.v[0]), y = Delaunay::y_of(start.v[0]);
  const std::int64_t qx = Delaunay::x_of(start.v[1]) - x, qy = Delaunay::y_of(start.v[1]) - y;
  const std::int64_t rx = Delaunay::x_of(start.v[2]) - x, ry = Delaunay::y_of(start.v[2]) - y;
  const std::int64_t q2 = qx * qx + qy * qy, r2 = rx * rx + ry * ry;
  const std::int64_t along = q2 * ry - r2 * qy, down = r2 * qx - q2 * rx, turn = qx * ry - qy * rx;
  open_.assign({{start.v[0], start.twin[1]}, {start.v[2], start.twin[0]}});
  Edge edge{start.v[1], start.twin[2]};
  std::uint32_t from = start.v[0];
  vertices_.clear();
  std::size_t first = 0;
  for (;;) {
    if (edge.twin >= 0) {
      Delaunay::Triangle& behind = mesh.triangle(edge.twin >> 2);
      const int apart = edge.twin & 3;
      const std::uint32_t apex = behind.v[apart];
      const std::int64_t dx = Delaunay::x_of(apex) - x, dy = Delaunay::y_of(apex) - y;
      if (along * dx + down * dy == turn * (dx * dx + dy * dy)) {
        behind.mark = mark;
        open_.push_back({edge.to, behind.twin[apart == 0 ? 2 : apart - 1]});
        edge = {apex, behind.twin[apart == 2 ? 0 : apart + 1]};
        continue;
      }
    }
    vertices_.push_back(from);
    if (from < vertices_[first]) first = vertices_.size() - 1;
    if (open_.empty()) break;
    from = edge.to;
    edge = open_.back();
    open_.pop_back();
  }
  cell.resize(vertices_.size());
  for (Point& vertex : cell) {
    vertex = {Delaunay::x_of(vertices_[first]), Delaunay::y_of(vertices_[first])};
    if (++first == vertices_.size()) first = 0;
  }
}

void CellWeights::set_cell(const std::vector<Point>& cell) {
  cell_ = cell.data();
  size_ = cell.size();
  const std::size_t n = size_;
  corner_.resize(n);
  side_.resize(n);
  product_.resize(n);
  weight_.resize(n);
  std::int64_t largest = 0, smallest = INT64_MAX, total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    corner_[i] = area2(cell[i == 0 ? n - 1 : i - 1], cell[i], cell[i + 1 == n ? 0 : i + 1]);
    largest = std::max(largest, corner_[i]);
    smallest = std::min(smallest, corner_[i]);
    if (i >= 2) total += area2(cell[0], cell[i - 1], cell[i]);
  }
  // Triangles and rectangles: a common factor of the weights.
  if (largest == smallest) std::fill(corner_.begin(), corner_.end(), largest = 1);
  const int products = bit_length(total) * static_cast<int>(n - 2) + bit_length(largest);
  fits_ = products + bit_length(static_cast<std::int64_t>(n)) + 16 <= 62;
}

void CellWeights::set_pixel(Point p, bool exact) {
  const std::size_t n = size_;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t next = i + 1 == n ? 0 : i + 1;
    side_[i] = area2(p, cell_[i], cell_[next]);
    if (side_[i] != 0) continue;
    // Lengths along the edge, in steps of its longer coordinate: exact, and the same from both sides of the edge.
    const Point a = cell_[i], b = cell_[next];
    const bool flat = std::abs(b.x - a.x) >= std::abs(b.y - a.y);
    kind_ = Kind::edge;
    near_ = i;
    far_ = next;
    product_[i] = std::abs(flat ? b.x - p.x : b.y - p.y);
    product_[next] = std::abs(flat ? p.x - a.x : p.y - a.y);
    sum_ = product_[i] + product_[next];
    if (!exact) {
      weight_[i] = static_cast<double>(product_[i]) / static_cast<double>(sum_);
      weight_[next] = static_cast<double>(product_[next]) / static_cast<double>(sum_);
    }
    return;
  }
  kind_ = fits_ && exact ? Kind::small : Kind::large;
  if (kind_ == Kind::small)
    multiply_out();
  else
    normalize();
}

// w_i times all the |p v_j v_{j+1}|: corner_i times those of the sides that do not touch vertex i.
void CellWeights::multiply_out() {
  const std::size_t n = size_;
  if (n == 4) {  // most cells
    const std::int64_t* const c = corner_.data();
    const std::int64_t* const s = side_.data();
    std::int64_t* const product = product_.data();
    product[0] = c[0] * s[1] * s[2];
    product[1] = c[1] * s[2] * s[3];
    product[2] = c[2] * s[3] * s[0];
    product[3] = c[3] * s[0] * s[1];
    sum_ = (product[0] + product[1]) + (product[2] + product[3]);
    return;
  }
  sum_ = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t product = corner_[i];
    for (std::size_t j = i + 1, k = 0; k + 2 < n; ++j, ++k) product *= side_[j >= n ? j - n : j];
    product_[i] = product;
    sum_ += product;
  }
}

void CellWeights::normalize() {
  const std::size_t n = size_;
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double touching = static_cast<double>(side_[i == 0 ? n - 1 : i - 1]) * static_cast<double>(side_[i]);
    sum += weight_[i] = static_cast<double>(corner_[i]) / touching;
  }
  for (std::size_t i = 0; i < n; ++i) weight_[i] /= sum;
}

std::int64_t CellWeights::weights(std::int64_t* weight) const {
  if (kind_ == Kind::large) return 0;
  for (std::size_t i = 0; i < size_; ++i) weight[i] = kind_ == Kind::small || i == near_ || i == far_ ? product_[i] : 0;
  return sum_;
}

// Whether the exact value is above below + 1/2, or equal to it with below odd: the sign of
// sum_i w_i (2 f_i - 2 below - 1), w_i multiplied out.
template <class T>
bool CellWeights::rounds_up(const T* const* values, index_t channel, std::int64_t below) const {
  const std::size_t n = size_;
  Natural above_half(0), below_half(0);
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t distance = 2 * std::int64_t{values[i][channel]} - 2 * below - 1;
    Natural term(static_cast<std::uint32_t>(std::abs(distance)));
    term.multiply(static_cast<std::uint32_t>(corner_[i]));
    for (std::size_t j = i + 1, k = 0; k + 2 < n; ++j, ++k)
      term.multiply(static_cast<std::uint32_t>(side_[j >= n ? j - n : j]));
    (distance > 0 ? above_half : below_half).add(term);
  }
  const int sign = above_half.compare(below_half);
  return sign > 0 || (sign == 0 && (below & 1));
}

template <class T>
T CellWeights::integer(const T* const* values, index_t channel) const {
  if (kind_ == Kind::edge)
    return divided<T>(product_[near_] * values[near_][channel] + product_[far_] * values[far_][channel], sum_);
  if (kind_ == Kind::small) {
    std::int64_t numerator = 0;
    for (std::size_t i = 0; i < size_; ++i) numerator += product_[i] * values[i][channel];
    return divided<T>(numerator, sum_);
  }
  double value = 0.0;
  for (std::size_t i = 0; i < size_; ++i) value += weight_[i] * static_cast<double>(values[i][channel]);
  // All terms are positive: the relative error is below (n + 8) 2^-52, far below the margin used here.
  const double below = std::floor(value);
  const double over = value - below - 0.5;
  if (std::abs(over) > 1e-6) return static_cast<T>(static_cast<std::int64_t>(below) + (over > 0));
  const auto base = static_cast<std::int64_t>(below);
  return static_cast<T>(base + rounds_up(values, channel, base));
}

template <class T>
double CellWeights::real(const T* const* values, index_t channel) const {
  double value = 0.0, low = 0.0, high = 0.0;
  if (kind_ == Kind::edge) {
    const double a = static_cast<double>(values[near_][channel]), b = static_cast<double>(values[far_][channel]);
    value = weight_[near_] * a + weight_[far_] * b;
    low = std::min(a, b);
    high = std::max(a, b);
  } else {
    low = high = static_cast<double>(values[0][channel]);
    for (std::size_t i = 0; i < size_; ++i) {
      const double f = static_cast<double>(values[i][channel]);
      value += weight_[i] * f;
      low = std::min(low, f);
      high = std::max(high, f);
    }
  }
  // Rounding may leave the range by an ulp; with a NaN or infinities `value` is NaN and stays.
  return value < low ? low : value > high ? high : value;
}

template std::uint8_t CellWeights::integer(const std::uint8_t* const*, index_t) const;
template std::uint16_t CellWeights::integer(const std::uint16_t* const*, index_t) const;
template double CellWeights::real(const float* const*, index_t) const;
template double CellWeights::real(const double* const*, index_t) const;

}  // namespace xaijax
