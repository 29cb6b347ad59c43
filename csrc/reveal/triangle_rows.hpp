// Interpolation along the rows of one triangle. Its weights are affine, so a row needs a start and a step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "reveal/cell.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

// Integers: numerator and denominator are exact, their quotient is rounded once by IEEE division and then half to even.
// The quotient is v < 2^bits with denominator d, so one that is not halfway stays away from it by 1/(2d): more than
// half an ulp of v as long as d < 2^(52 - bits) in float64, d < 2^(23 - bits + 1) in float32. Ties are exact.
template <class T>
class TriangleRows {
  static_assert(std::is_integral_v<T>);

 public:
  void set(Point a, Point b, Point c, const T* fa, const T* fb, const T* fc, index_t channels) {
    a_ = a;
    channels_ = channels;
    whole_ = area2(a, b, c);
    packed_ = has_packed && sizeof(T) == 1 && whole_ < 65536 && (channels == 1 || channels == 3);
    if (!packed_ && start_.size() < static_cast<std::size_t>(channels)) {
      start_.resize(static_cast<std::size_t>(channels));
      per_x_.resize(start_.size());
      per_y_.resize(start_.size());
    }
    const std::int32_t bx = b.x - a.x, by = b.y - a.y, cx = c.x - a.x, cy = c.y - a.y;
    for (index_t k = 0; k < channels; ++k) {
      const std::int32_t u = std::int32_t{fb[k]} - fa[k], v = std::int32_t{fc[k]} - fa[k];
      if (packed_) {
        // Modulo 2^32: the numerators themselves are below 2^24, and the steps below 2^23.
        start3_[k] = static_cast<std::uint32_t>(fa[k]) * static_cast<std::uint32_t>(whole_);
        step3_[k] = u * cy - v * by;
        down3_[k] = v * bx - u * cx;
      } else {
        const auto i = static_cast<std::size_t>(k);
        start_[i] = fa[k] * whole_;
        per_x_[i] = std::int64_t{u} * cy - std::int64_t{v} * by;
        per_y_[i] = std::int64_t{v} * bx - std::int64_t{u} * cx;
      }
    }
#if defined(__SSE2__)
    if (packed_) {
      divisor_ = _mm_set1_ps(static_cast<float>(whole_));
      step_ = channels == 3 ? _mm_setr_ps(static_cast<float>(step3_[0]), static_cast<float>(step3_[1]),
                                          static_cast<float>(step3_[2]), 0.0f)
                            : _mm_set1_ps(4.0f * static_cast<float>(step3_[0]));
    }
#endif
  }

  // Pixels first to last of row y; out is the first one, and owner gets t for each. Vertices get their own value.
  void fill(index_t y, index_t first, index_t last, T* out, std::int32_t* owner, std::int32_t t) const {
#if defined(__SSE2__)
    if constexpr (sizeof(T) == 1) {
      if (packed_ && channels_ == 3) return fill_three(y, first, last, out, owner, t);
    }
#endif
    std::fill(owner, owner + (last - first + 1), t);
#if defined(__SSE2__)
    if constexpr (sizeof(T) == 1) {
      if (packed_) return fill_one(y, first, last, out);
    }
#endif
    constexpr double half_even = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves no bits below 1
    const auto whole = static_cast<double>(whole_);
    for (index_t k = 0; k < channels_; ++k) {
      auto numerator = static_cast<double>(at(k, y, first));
      const auto step = static_cast<double>(per_x_[static_cast<std::size_t>(k)]);
      T* to = out + k;
      for (index_t x = first; x <= last; ++x, numerator += step, to += channels_)
        *to = static_cast<T>(static_cast<std::int32_t>(numerator / whole + half_even - half_even));
    }
  }

 private:
#if defined(__SSE2__)
  static constexpr bool has_packed = true;
#else
  static constexpr bool has_packed = false;
#endif

  std::int64_t at(index_t channel, index_t y, index_t x) const {
    const auto k = static_cast<std::size_t>(channel);
    return start_[k] + per_y_[k] * (y - a_.y) + per_x_[k] * (x - a_.x);
  }

#if defined(__SSE2__)
  // Below 2^16 * 255 the numerators are exact in float32.
  static std::int32_t bytes_of(__m128 quotients) {
    const __m128i words = _mm_packs_epi32(_mm_cvtps_epi32(quotients), _mm_setzero_si128());
    return _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  }

  float near(int k, index_t y, index_t x) const {
    return static_cast<float>(static_cast<std::int32_t>(
        start3_[k] + static_cast<std::uint32_t>(down3_[k]) * static_cast<std::uint32_t>(y - a_.y) +
        static_cast<std::uint32_t>(step3_[k]) * static_cast<std::uint32_t>(x - a_.x)));
  }

  void fill_three(index_t y, index_t first, index_t last, T* out, std::int32_t* owner, std::int32_t t) const {
    __m128 numerator = _mm_setr_ps(near(0, y, first), near(1, y, first), near(2, y, first), 0.0f);
    for (index_t x = first; x < last; ++x, out += 3) {
      *owner++ = t;
      // Writes a byte of the next pixel, which comes next.
      const std::int32_t bytes = bytes_of(_mm_div_ps(numerator, divisor_));
      std::memcpy(out, &bytes, 4);
      numerator = _mm_add_ps(numerator, step_);
    }
    *owner = t;
    const std::int32_t bytes = bytes_of(_mm_div_ps(numerator, divisor_));
    std::memcpy(out, &bytes, 3);
  }

  void fill_one(index_t y, index_t first, index_t last, T* out) const {
    const float start = near(0, y, first), step = static_cast<float>(step3_[0]);
    __m128 numerator = _mm_setr_ps(start, start + step, start + 2 * step, start + 3 * step);
    for (index_t left = last - first + 1; left > 0; left -= 4, out += 4) {
      const std::int32_t bytes = bytes_of(_mm_div_ps(numerator, divisor_));
      std::memcpy(out, &bytes, static_cast<std::size_t>(std::min<index_t>(left, 4)));
      numerator = _mm_add_ps(numerator, step_);
    }
  }

  __m128 divisor_{}, step_{};
#endif

  bool packed_ = false;
  std::uint32_t start3_[3] = {};
  std::int32_t step3_[3] = {}, down3_[3] = {};

  Point a_{};
  index_t channels_ = 0;
  std::int64_t whole_ = 1;
  std::vector<std::int64_t> start_, per_x_, per_y_;
};

// The rows of a triangle that hold more than a vertex: for y from top() to bottom() the first and last grid point
// between its edges, edges included.
// x + (dx * k + 1/2) / dy in float64 cannot cross an integer: it stays away from them by 1/(2 dy) > 2^-15, and the
// rounding error is below 2^-36.
class TriangleScan {
 public:
  TriangleScan(Point a, Point b, Point c) {
    if (b.y < a.y) std::swap(a, b);
    if (c.y < a.y) std::swap(a, c);
    if (c.y < b.y) std::swap(b, c);
    top_ = a.y < b.y ? a.y + 1 : a.y;
    middle_ = b.y;
    bottom_ = b.y < c.y ? c.y - 1 : c.y;
    long_ = Edge(a, c);
    upper_ = a.y < b.y ? Edge(a, b) : Edge(b, c);
    lower_ = b.y < c.y ? Edge(b, c) : Edge(a, b);
    if (a.y == b.y) middle_ = a.y - 1;
    long_is_left_ = area2(a, c, b) < 0;  // b lies to the right of the long edge, y pointing down
  }

  index_t top() const { return top_; }
  index_t bottom() const { return bottom_; }

  void row(index_t y, index_t& first, index_t& last) const {
    const Edge& other = y <= middle_ ? upper_ : lower_;
    const Edge& left = long_is_left_ ? long_ : other;
    const Edge& right = long_is_left_ ? other : long_;
    first = left.at(y, left.dy - 0.5);
    last = right.at(y, 0.5);
  }

 private:
  struct Edge {
    Edge() = default;
    Edge(Point from, Point to) : x(from.x), dx(to.x - from.x), dy(to.y - from.y), slope(1.0 / dy), y(from.y) {}
    index_t at(index_t row, double shift) const {
      return static_cast<index_t>(x + (dx * static_cast<double>(row - y) + shift) * slope);
    }
    double x = 0, dx = 0, dy = 1, slope = 1;
    index_t y = 0;
  };

  Edge long_, upper_, lower_;
  index_t top_, middle_, bottom_;
  bool long_is_left_;
};

}  // namespace xaijax
