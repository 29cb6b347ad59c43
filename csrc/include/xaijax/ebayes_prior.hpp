// The model behind empirical-Bayes thresholding: x ~ N(theta, 1), theta ~ (1 - w) delta_0 + w gamma, and what follows
// from it for one value. All in stable form, for |x| far beyond 40. Units: standard deviations of the noise.
#pragma once

namespace xaijax {

// laplace: gamma(u) = a/2 exp(-a |u|). cauchy: the quasi-Cauchy gamma(u) = (1 - |u| Phi(-|u|)/phi(u)) / sqrt(2 pi).
enum class Prior : int { laplace, cauchy };

struct Slab {
  Prior prior = Prior::laplace;
  double a = 0.5;  // scale of the Laplace density; the quasi-Cauchy has none
};

// Phi(-z)/phi(z), the Mills ratio.
double mills_ratio(double z);
// Phi^-1(p).
double normal_quantile(double p);

// g(x)/phi(x) - 1, at most `kLargestBeta`; or as large as it is, for |x| up to 35.
constexpr double kLargestBeta = 1e20;
double slab_beta(const Slab& slab, double x);
double slab_beta_unbounded(const Slab& slab, double x);
double posterior_mean(const Slab& slab, double w, double x);
// The same divided by x, in [0, 1]; at x = 0 its limit.
double posterior_mean_share(const Slab& slab, double w, double x);
double posterior_median(const Slab& slab, double w, double x);

// Where the posterior median leaves zero, and the weight for which it does so at `threshold`.
double threshold_from_weight(const Slab& slab, double w);
double weight_from_threshold(const Slab& slab, double threshold);
// Where the posterior odds of theta != 0 are one: beta(t) = 1/w - 2.
double bayes_factor_threshold(const Slab& slab, double w);

}  // namespace xaijax
