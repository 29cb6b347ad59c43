#include "ebayes/ebayes_median.hpp"

#include <algorithm>
#include <cmath>

namespace xaijax {

namespace {

constexpr double kSqrtTwoPi = 2.50662827463100050242;
constexpr double kFar = 14.0;  // phi is below 1e-43 there, and 1/w at most 1e12
constexpr double kLeastTail = 1e-4;

double density(double z) { return std::exp(-0.5 * z * z) / kSqrtTwoPi; }

// Phi^-1 on [2^-14, 1/2]: eight pieces to every power of two.
class Quantile {
 public:
  double operator()(double p) const {
    int exponent;
    const double mantissa = std::frexp(p, &exponent);  // [1/2, 1)
    return table_(static_cast<double>(exponent + octaves) + 2.0 * mantissa - 1.0);
  }

  static const Quantile& get() {
    static const Quantile quantile;
    return quantile;
  }

 private:
  static constexpr int octaves = 14;

  Quantile() : table_(0.0, octaves + 1.0, 8.0) {
    table_.fill([](double at) {
      const double whole = std::floor(at);
      return normal_quantile(std::min(std::ldexp(0.5 * (1.0 + at - whole), static_cast<int>(whole) - octaves), 0.75));
    });
  }

  Curve table_;
};

}  // namespace

LaplaceMedian::LaplaceMedian(double a) : slab_{Prior::laplace, a}, rest_(0.0, a + kFar + 0.25, 4.0) {
  rest_.fill([a](double x) {
    const double s = x - a;
    return 1.0 - 0.5 * (density(s) * mills_ratio(x + a) + 0.5 * std::erfc(-s / std::sqrt(2.0)));
  });
  Quantile::get();
}

double LaplaceMedian::operator()(double w, double x) const {
  const double s = x - slab_.a;
  if (s > kFar) return s;
  const double q = rest_(x) - (1.0 / w - 1.0) / slab_.a * density(s);
  if (!(q > kLeastTail && q < 1.0 - kLeastTail)) return posterior_median(slab_, w, x);
  const Quantile& quantile = Quantile::get();
  const double median = s + (q <= 0.5 ? quantile(q) : -quantile(1.0 - q));
  return std::min(std::max(median, 0.0), x);
}

MedianCurve::MedianCurve(const Slab& slab, const LaplaceMedian* fast, double w, double threshold)
    : slab_(slab), fast_(fast), w_(w), threshold_(threshold) {
  double near = kNear, far = kFar, pieces = 2.0;
  for (std::size_t level = 0; level < kLevels; ++level, far = near, near /= 4, pieces *= 3)
    levels_.emplace_back(threshold + near, threshold + far, pieces);
}

}  // namespace xaijax
