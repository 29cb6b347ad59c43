// Empirical-Bayes thresholding of a map (Johnstone & Silverman 2005): the weight, and optionally the scale, of the
// prior by marginal maximum likelihood, then a rule at every pixel.
#pragma once

#include <cstdint>
#include <memory>

#include "xaijax/ebayes_prior.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

enum class ThresholdRule : int { median, mean, hard, soft };

struct EbayesOptions {
  Slab slab;
  bool fit_scale = false;  // estimate a (Laplace only) in [0.04, 3] together with w
  double sd = 0.0;         // standard deviation of the noise; 0 for 1.4826 * median |x|
  ThresholdRule rule = ThresholdRule::median;
  bool universal_floor = true;  // w no smaller than what gives the universal threshold sqrt(2 ln n)
};

enum class EbayesReason : std::uint8_t { none, no_spread, not_finite };

// What was estimated. threshold: where the posterior median leaves zero, in the unit of the map.
struct EbayesFit {
  double sd = 0.0, w = 0.0, a = 0.0, threshold = 0.0;
  EbayesReason reason = EbayesReason::none;
};

constexpr double kSmallestScale = 0.04, kLargestScale = 3.0;

// Shared by all maps of a batch: the table of beta for the given scale is made once.
class Ebayes {
 public:
  explicit Ebayes(const EbayesOptions& options);

  // Estimates, and writes the thresholded map to `out` (same size as `map`). A map whose median |x| is zero while sd
  // is not given comes back unchanged (no_spread); one with NaN or infinity becomes NaN (not_finite). T: float, double.
  template <class T>
  EbayesFit operator()(MapView<const T> map, T* out) const;

 private:
  struct Tables;

  EbayesOptions options_;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace xaijax
