// A smooth function of one variable as a table of polynomials: interpolation at Chebyshev points, piece by piece,
// each piece made when it is first asked for. Evaluation is a few multiplications where the function itself takes
// several exponentials.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

// Chebyshev points in [-1, 1], and the matrix from values there to the coefficients of powers.
template <std::size_t terms>
struct ChebyshevBasis {
  std::array<double, terms> points;
  std::array<std::array<double, terms>, terms> to_powers{};

  ChebyshevBasis() {
    constexpr double pi = 3.14159265358979323846;
    std::array<std::array<double, terms>, terms> chebyshev{};  // T_n as powers
    chebyshev[0][0] = 1.0;
    chebyshev[1][1] = 1.0;
    for (std::size_t n = 2; n < terms; ++n)
      for (std::size_t j = 0; j < terms; ++j)
        chebyshev[n][j] = (j > 0 ? 2.0 * chebyshev[n - 1][j - 1] : 0.0) - chebyshev[n - 2][j];
    for (std::size_t k = 0; k < terms; ++k) {
      const double angle = pi * (static_cast<double>(k) + 0.5) / terms;
      points[k] = std::cos(angle);
      for (std::size_t n = 0; n < terms; ++n) {
        const double weight = (n == 0 ? 1.0 : 2.0) / terms * std::cos(static_cast<double>(n) * angle);
        for (std::size_t j = 0; j < terms; ++j) to_powers[j][k] += chebyshev[n][j] * weight;
      }
    }
  }

  static const ChebyshevBasis& get() {
    static const ChebyshevBasis basis;
    return basis;
  }
};

class Curve {
 public:
  static constexpr std::size_t terms = 10;

  Curve(double from, double to, double pieces_per_unit) : from_(from), to_(to), pieces_per_unit_(pieces_per_unit) {
    pieces_ = static_cast<index_t>(std::ceil((to - from) * pieces_per_unit));
    coefficients_.resize(static_cast<std::size_t>(pieces_) * terms);
    ready_.assign(static_cast<std::size_t>(pieces_), 0);
  }

  bool covers(double x) const { return x >= from_ && x < to_; }

  template <class F>
  void fill(const F& f) {
    for (index_t piece = 0; piece < pieces_; ++piece) fit(piece, f);
  }

  // x must be covered, and f always the same function.
  template <class F>
  double operator()(double x, const F& f) {
    const double at = (x - from_) * pieces_per_unit_;
    const auto piece = std::min(static_cast<index_t>(at), pieces_ - 1);
    if (!ready_[static_cast<std::size_t>(piece)]) fit(piece, f);
    return value(piece, at);
  }

  // The same for a table that is filled.
  double operator()(double x) const {
    const double at = (x - from_) * pieces_per_unit_;
    return value(std::min(static_cast<index_t>(at), pieces_ - 1), at);
  }

 private:
  double value(index_t piece, double at) const {
    const double* c = coefficients_.data() + static_cast<std::size_t>(piece) * terms;
    const double s = 2.0 * (at - static_cast<double>(piece)) - 1.0, q = s * s;
    // Even and odd parts apart: two short chains of dependent operations instead of one long one.
    const double even = c[0] + q * (c[2] + q * (c[4] + q * (c[6] + q * c[8])));
    const double odd = c[1] + q * (c[3] + q * (c[5] + q * (c[7] + q * c[9])));
    return even + s * odd;
  }

  template <class F>
  void fit(index_t piece, const F& f) {
    const auto& basis = ChebyshevBasis<terms>::get();
    std::array<double, terms> values;
    const double start = from_ + static_cast<double>(piece) / pieces_per_unit_;
    for (std::size_t k = 0; k < terms; ++k) values[k] = f(start + 0.5 * (basis.points[k] + 1.0) / pieces_per_unit_);
    double* c = coefficients_.data() + static_cast<std::size_t>(piece) * terms;
    for (std::size_t j = 0; j < terms; ++j) {
      c[j] = 0.0;
      for (std::size_t k = 0; k < terms; ++k) c[j] += basis.to_powers[j][k] * values[k];
    }
    ready_[static_cast<std::size_t>(piece)] = 1;
  }

  double from_, to_, pieces_per_unit_;
  index_t pieces_ = 0;
  std::vector<double> coefficients_;
  std::vector<std::uint8_t> ready_;
};

}  // namespace xaijax
