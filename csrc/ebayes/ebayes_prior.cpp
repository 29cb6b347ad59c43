#include "xaijax/ebayes_prior.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace xaijax {

namespace {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kSqrtTwoPi = 2.50662827463100050242;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double density(double z) { return std::exp(-0.5 * z * z) / kSqrtTwoPi; }
double upper_tail(double z) { return 0.5 * std::erfc(z * kSqrtHalf); }

// 1 - z M(z) for z >= 0, which is gamma(z) sqrt(2 pi) of the quasi-Cauchy: 1/z^2 - 3/z^4 + 15/z^6 - ... for large z.
double mills_defect(double z) {
  if (z < 12.0) return 1.0 - z * mills_ratio(z);
  const double v = 1.0 / (z * z);
  double term = v, sum = 0.0;
  for (int k = 1; k <= 12; ++k) {
    sum += term;
    term *= -(2 * k + 1) * v;
  }
  return sum;
}

// The largest x in [low, high] with f(x) <= 0, for increasing f, by halving.
template <class F>
double halve(const F& f, double low, double high) {
  for (int step = 0; step < 200; ++step) {
    const double middle = low + 0.5 * (high - low);
    if (middle <= low || middle >= high) break;
    (f(middle) <= 0.0 ? low : high) = middle;
  }
  return low;
}

// 1/w of the prior whose median threshold is t: from 1 at t = 0 up.
double inverse_weight(const Slab& slab, double t) {
  if (slab.prior == Prior::laplace) {
    // a M(a - t) - beta(t), with beta written out so that the large terms meet once.
    const double a = slab.a;
    return 0.5 * a * (mills_ratio(a - t) - mills_ratio(t + a)) + 1.0;
  }
  if (t < 0.05) {
    const double v = t * t;
    return 1.0 + t / 3.0 * (2.0 / kSqrtTwoPi) * (1.0 + v / 5.0 * (1.0 + v / 7.0 * (1.0 + v / 9.0)));
  }
  return 1.0 + (0.5 - upper_tail(t) - t * density(t)) / (0.5 * kSqrtTwoPi * density(t) * t * t);
}

// x > 0. P(theta > m | x) = 1/2 under the slab and the atom together, for the quasi-Cauchy; integrating
// gamma(u) phi(x - u) over u > m by parts gives
//   Phi(x - m) - x phi(x - m) + (m x - 1) phi(x - m) M(m) = 1/2 [(1/w - 1) x^2 e^(-x^2/2) + 1 - e^(-x^2/2)].
double cauchy_median(double w, double x) {
  if (x >= 20.0) return x - 2.0 / x;
  const double e = std::exp(-0.5 * x * x);
  const double target = 0.5 * ((1.0 / w - 1.0) * x * x * e - std::expm1(-0.5 * x * x));
  const auto excess = [&](double m) {
    return upper_tail(m - x) + density(x - m) * ((m * x - 1.0) * mills_ratio(m) - x) - target;
  };
  // excess(0), with what cancels for small x taken together.
  const double at_zero = 0.5 * std::erf(x * kSqrtHalf) - x * density(x) - 0.5 * std::expm1(-0.5 * x * x);
  if (!(at_zero > target)) return 0.0;
  if (x < 3e-4) {  // excess falls by x^2 phi(x) (m - M(0)/2 m^2 + ...), which is lost in its rounding here
    const double m = (at_zero - target) / (x * x * density(x));
    return std::min(x, m * (1.0 + 0.25 * kSqrtTwoPi * m));
  }
  double low = 0.0, high = x;  // the median lies between zero and the value
  double m = std::max(0.0, x - 2.0 / std::max(x, 1.5));
  for (int step = 0; step < 100; ++step) {
    const double value = excess(m);
    (value > 0.0 ? low : high) = m;
    double next = m + value / (x * x * density(x - m) * mills_defect(m));
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - m) <= 1e-15 * (1.0 + m)) return next;
    m = next;
  }
  return m;
}

}  // namespace

double mills_ratio(double z) {
  if (z < 0.0) return kSqrtTwoPi * std::exp(0.5 * z * z) - mills_ratio(-z);
  if (z < 5.0) return 0.5 * kSqrtTwoPi * std::exp(0.5 * z * z) * std::erfc(z * kSqrtHalf);
  // Laplace's continued fraction 1/(z + 1/(z + 2/(z + 3/(z + ...)))).
  // So many terms as double precision takes at this z.
  double tail = z;
  for (int k = 5 + static_cast<int>(90.0 / z); k >= 1; --k) tail = z + k / tail;
  return 1.0 / tail;
}

double normal_quantile(double p) {
  if (!(p > 0.0)) return p == 0.0 ? -kInfinity : std::numeric_limits<double>::quiet_NaN();
  if (!(p < 1.0)) return p == 1.0 ? kInfinity : std::numeric_limits<double>::quiet_NaN();
  // Hastings' approximation (Abramowitz & Stegun 26.2.23, error 4.5e-4), then Halley's cubic steps.
  const double tail = std::min(p, 1.0 - p);
  const double r = std::sqrt(-2.0 * std::log(tail));
  double z = r - (2.515517 + r * (0.802853 + r * 0.010328)) / (1.0 + r * (1.432788 + r * (0.189269 + r * 0.001308)));
  for (int step = 0; step < 2; ++step) {
    const double error = (upper_tail(z) - tail) / density(z);
    z += error / (1.0 - 0.5 * z * error);
  }
  return p < 0.5 ? -z : z;
}

double slab_beta_unbounded(const Slab& slab, double x) {
  x = std::abs(x);
  if (slab.prior == Prior::laplace) return 0.5 * slab.a * (mills_ratio(x + slab.a) + mills_ratio(slab.a - x)) - 1.0;
  const double v = 0.5 * x * x;
  return v < 1e-4 ? -0.5 + 0.25 * v * (1.0 + v / 3.0 * (1.0 + v / 4.0)) : std::expm1(v) / (x * x) - 1.0;
}

double slab_beta(const Slab& slab, double x) { return std::min(slab_beta_unbounded(slab, x), kLargestBeta); }

// The posterior mean of the Laplace slab divided by x, for 0 <= x <= kNearZero. With the slab's marginal g = a/2 (e^(-a|.|)
// convolved with phi) it is w (g + g'/x) / ((1 - w) phi + w g): both cancel against x there, so they are summed as series
// in x^2. Their terms follow from g'' = a^2 (g - phi).
static double laplace_mean_share(double a, double w, double x) {
  const double square = a * a, at_zero = a * mills_ratio(a);
  double g = at_zero, phi = 1.0, even = 1.0, sum = 0.0, plain = 0.0;  // over phi(0); even = x^(2k)/(2k)!
  for (int k = 0; k < 12; ++k) {
    const double next = square * (g - phi);
    sum += even * (g + next / (2 * k + 1));
    plain += even * g;
    g = next;
    phi *= -(2 * k + 1);
    even *= x * x / ((2 * k + 1) * (2 * k + 2));
  }
  return w * sum / ((1.0 - w) * std::exp(-0.5 * x * x) + w * plain);
}

double posterior_mean_share(const Slab& slab, double w, double x) {
  constexpr double near_zero = 0.125;
  const double size = std::abs(x);
  double share;
  if (slab.prior == Prior::laplace) {
    const double a = slab.a;
    if (size <= near_zero) {
      share = laplace_mean_share(a, w, size);
    } else {
      const double beta = slab_beta(slab, size);
      const double nonzero = w * (1.0 + beta) / (1.0 + w * beta);
      // exp(2 a x) Phi(-x - a) = phi(x - a) M(x + a).
      const double plus = upper_tail(a - size), minus = density(size - a) * mills_ratio(size + a);
      share = plus > 0.0 ? nonzero * (1.0 - a / size * ((plus - minus) / (plus + minus))) : 0.0;
    }
  } else {
    const double v = 0.5 * size * size, e = std::exp(-v), rest = -std::expm1(-v);
    // 1 - 2 (1 - e)/x^2 loses everything near zero: there it is v/2 (1 - v/3 + v^2/12), of which v cancels.
    if (size < 0.02) {
      const double part = 0.5 * (1.0 - v / 3.0 * (1.0 - v / 4.0)), of_v = v > 0.0 ? rest / v : 1.0;
      share = w * part / (w * of_v + (1.0 - w) * e * 2.0);
    } else {
      const double part = 1.0 - rest / v;
      const double whole = w * rest + (e > 0.0 ? (1.0 - w) * e * 2.0 * v : 0.0);  // v itself overflows far out
      share = whole > 0.0 ? w * part / whole : 0.0;
    }
  }
  return std::min(std::max(share, 0.0), 1.0);
}

double posterior_mean(const Slab& slab, double w, double x) { return x * posterior_mean_share(slab, w, x); }

double posterior_median(const Slab& slab, double w, double x) {
  const double size = std::abs(x);
  double median;
  if (slab.prior == Prior::cauchy) {
    median = size > 0.0 ? cauchy_median(w, size) : 0.0;
  } else {
    const double a = slab.a, shifted = size - a;
    // phi(x - a) (1/w + beta(x)) / a, with the growing part of beta cancelled against phi.
    double z = 0.5;
    if (shifted <= 25.0) {
      const double phi = density(shifted);
      z = phi * (1.0 / w - 1.0) / a + 0.5 * (phi * mills_ratio(size + a) + upper_tail(-shifted));
    }
    median = z < 1.0 ? shifted - normal_quantile(z) : 0.0;
  }
  return std::copysign(std::min(std::max(median, 0.0), size), x);
}

double weight_from_threshold(const Slab& slab, double threshold) {
  return 1.0 / inverse_weight(slab, std::max(threshold, 0.0));
}

double threshold_from_weight(const Slab& slab, double w) {
  return halve([&](double t) { return inverse_weight(slab, t) - 1.0 / w; }, 0.0, 38.0 + slab.a);
}

double bayes_factor_threshold(const Slab& slab, double w) {
  return halve([&](double t) { return slab_beta(slab, t) - (1.0 / w - 2.0); }, 0.0, 38.0 + slab.a);
}

}  // namespace xaijax
