// The posterior median as a function of the value, from tables.
#pragma once

#include <optional>
#include <vector>

#include "ebayes/curve.hpp"
#include "xaijax/ebayes_prior.hpp"

namespace xaijax {

// The median under a Laplace slab at some ten operations: what depends on the slab alone is one table, the normal
// quantile another. With s = x - a and M the Mills ratio it is s + Phi^-1(q),
//     q = [1 - (phi(s) M(x + a) + Phi(s)) / 2] - (1/w - 1)/a phi(s).
// Where q is close to 0 or 1 the function itself is asked.
class LaplaceMedian {
 public:
  explicit LaplaceMedian(double a);

  double operator()(double w, double x) const;

 private:
  Slab slab_;
  Curve rest_;
};

// The median for one weight, over x >= 0. It has a singularity right below its threshold when w is small: the pieces
// shrink towards it, so that each lies several of its lengths away, and the last bit is left to the function itself.
class MedianCurve {
 public:
  // `fast` may be null; else it must outlive this.
  MedianCurve(const Slab& slab, const LaplaceMedian* fast, double w, double threshold);

  double operator()(double x) {
    const double distance = x - threshold_;
    if (distance <= 0.0) return 0.0;
    std::size_t level = 0;
    for (double near = kNear; level < kLevels && distance < near; near /= 4) ++level;
    if (level < kLevels && levels_[level].covers(x)) return levels_[level](x, [this](double at) { return median(at); });
    return median(x);
  }

 private:
  static constexpr std::size_t kLevels = 6;
  static constexpr double kNear = 4.0, kFar = 12.0;  // the first level's ends, beyond the threshold

  double median(double x) const { return fast_ ? (*fast_)(w_, x) : posterior_median(slab_, w_, x); }

  Slab slab_;
  const LaplaceMedian* fast_;
  double w_, threshold_;
  std::vector<Curve> levels_;
};

}  // namespace xaijax
