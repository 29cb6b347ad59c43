#include "xaijax/ebayes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "xaijax/exact_sum.hpp"
#include "xaijax/ordered.hpp"
#include "xaijax/select.hpp"
#include "xaijax/simd.hpp"

namespace xaijax {

namespace {

// Beyond this many standard deviations beta is above 1e20 and the table ends.
constexpr double kTableEnd = 12.0;
constexpr double kPieces = 16.0;  // per standard deviation

Curve beta_table(const Slab& slab) {
  Curve curve(0.0, kTableEnd, kPieces);
  curve.fill([&](double x) { return slab_beta(slab, x); });
  return curve;
}

// For terms t = w beta/(1 + w beta) in [-depth, 1]: the sums of t and of t (1 - t), which are the derivatives of the
// log-likelihood with respect to log w. Fixed point, so that a flipped map has the same estimate to the last bit.
struct Terms {
  std::uint64_t first = 0, second = 0;
};

XAIJAX_SIMD Terms add_terms(const double* beta, index_t count, double w, double depth, double first_scale,
                            double second_scale) {
  std::uint64_t first = 0, second = 0;
  const double floor = depth * (1.0 + depth);
  for (index_t i = 0; i < count; ++i) {
    const double wb = w * beta[i];
    const double t = wb / (1.0 + wb);
    first += fixed_point((t + depth) * first_scale);
    second += fixed_point((t * (1.0 - t) + floor) * second_scale);
  }
  return {first, second};
}

// The posterior median has a singularity right below its threshold when w is small. The pieces shrink towards it,
// so that each lies several of its lengths away, and the last bit is left to the function itself.
class MedianCurve {
 public:
  MedianCurve(const Slab& slab, double w, double threshold) : slab_(slab), w_(w), threshold_(threshold) {
    double near = 4.0, far = kTableEnd, pieces = 2.0;
    for (int level = 0; level < 6; ++level, far = near, near /= 4, pieces *= 3)
      levels_.emplace_back(threshold + near, threshold + far, pieces);
  }

  double operator()(double u) {
    if (u <= threshold_) return 0.0;
    const auto median = [this](double x) { return posterior_median(slab_, w_, x); };
    for (Curve& level : levels_)
      if (level.covers(u)) return level(u, median);
    return median(u);
  }

 private:
  Slab slab_;
  double w_, threshold_;
  std::vector<Curve> levels_;
};

class Likelihood {
 public:
  Likelihood(const double* beta, index_t count, double least) : beta_(beta), count_(count) {
    depth_ = std::max(0.0, -least / (1.0 + least));
  }

  // d/d log w of the log-likelihood and its derivative.
  void derivatives(double w, double& slope, double& curvature) const {
    const double floor = depth_ * (1.0 + depth_);
    const double first_range = 1.0 + depth_, second_range = 0.25 + floor;
    ExactSum first, second;
    for (index_t start = 0; start < count_; start += ExactSum::block) {
      const Terms terms = add_terms(beta_ + start, std::min(count_ - start, ExactSum::block), w, depth_,
                                    1.0 / first_range, 1.0 / second_range);
      first.add(terms.first);
      second.add(terms.second);
    }
    const auto n = static_cast<double>(count_);
    slope = first.value() * first_range - n * depth_;
    curvature = second.value() * second_range - n * floor;
  }

  // sum log(1 + w beta), each term within log(1e20).
  double value(double w) const {
    constexpr double range = 128.0;
    ExactSum sum;
    for (index_t start = 0; start < count_; start += ExactSum::block) {
      std::uint64_t block = 0;
      for (index_t i = start; i < std::min(count_, start + ExactSum::block); ++i)
        block += fixed_point((std::log1p(w * beta_[i]) + 0.5 * range) / range);
      sum.add(block);
    }
    return sum.value() * range - static_cast<double>(count_) * 0.5 * range;
  }

  // The weight in [low, 1] of the largest likelihood: Newton steps in log w from the lower end, kept inside a
  // shrinking bracket. After a step below 1e-8 the next one would be below the last bit.
  double best_weight(double low) const {
    double slope, curvature;
    derivatives(low, slope, curvature);
    if (slope <= 0.0) return low;
    double left = std::log(low), right = 0.0, at = left;
    bool bounded = false;  // whether the likelihood is known to fall at `right`
    for (int step = 0; step < 100; ++step) {
      double next = curvature < 0.0 ? at - slope / curvature : right + 1.0;
      if (next >= right && !bounded) {
        derivatives(1.0, slope, curvature);
        if (slope >= 0.0) return 1.0;
        bounded = true;
        next = -slope / curvature;
      }
      if (!(next > left && next < right)) next = 0.5 * (left + right);
      if (std::abs(next - at) <= 1e-8) return std::exp(next);
      at = next;
      derivatives(std::exp(at), slope, curvature);
      if (slope == 0.0) break;
      (slope > 0.0 ? left : right) = at;
      bounded |= slope < 0.0;
    }
    return std::exp(at);
  }

 private:
  const double* beta_;
  index_t count_;
  double depth_;
};

double smallest_weight(const Slab& slab, index_t count, bool universal_floor) {
  if (!universal_floor) return 1e-12;  // stands for zero: the likelihood is searched in log w
  return weight_from_threshold(slab, std::sqrt(2.0 * std::log(static_cast<double>(std::max<index_t>(count, 1)))));
}

void all_betas(const Curve& table, const Slab& slab, const double* sizes, index_t count, double* beta) {
  const double least = slab_beta(slab, 0.0);
  for (index_t i = 0; i < count; ++i) {
    const double u = sizes[i];
    beta[i] = table.covers(u) ? std::min(std::max(table(u), least), kLargestBeta) : slab_beta(slab, u);
  }
}

double fit_weight(const Curve& table, const Slab& slab, const double* sizes, index_t count, bool universal_floor,
                  double* beta, double* likelihood = nullptr) {
  all_betas(table, slab, sizes, count, beta);
  const Likelihood marginal(beta, count, slab_beta(slab, 0.0));
  const double w = marginal.best_weight(smallest_weight(slab, count, universal_floor));
  if (likelihood) *likelihood = marginal.value(w);
  return w;
}

// Absolute values divided by sd.
template <class T>
void standardise(const T* map, index_t size, double sd, double* sizes) {
  for (index_t i = 0; i < size; ++i) sizes[i] = std::abs(static_cast<double>(map[i])) / sd;
}

// 1.4826 * median |x|, the mean of the two middle values when there is an even number.
template <class T>
double spread(const T* map, index_t size) {
  using Key = ordered_key_t<T>;
  const auto keys = scratch<Key>(size), kept = scratch<Key>(size);
  for (index_t i = 0; i < size; ++i) keys[i] = ordered_key(std::abs(map[i]));
  const Cut<Key> cut = kth_largest(keys.get(), size, size / 2 + 1, kept.get());
  const auto lower = static_cast<double>(ordered_value<T>(cut.key));
  if (size % 2 == 1 || cut.above < size / 2) return 1.4826 * lower;
  Key next = ~Key(0);
  for (index_t i = 0; i < size; ++i) next = std::min(next, keys[i] > cut.key ? keys[i] : ~Key(0));
  return 1.4826 * (0.5 * lower + 0.5 * static_cast<double>(ordered_value<T>(next)));
}

}  // namespace

double weight_from_data(const Slab& slab, const double* sizes, index_t count, bool universal_floor) {
  const auto beta = scratch<double>(count);
  return fit_weight(beta_table(slab), slab, sizes, count, universal_floor, beta.get());
}

// The profile likelihood over log a: a scan, then golden sections around the best of it. The ends count as they are.
Slab scale_from_data(const double* sizes, index_t count, bool universal_floor) {
  const auto beta = scratch<double>(count);
  const auto profile = [&](double log_a) {
    const Slab slab{Prior::laplace, std::exp(log_a)};
    double likelihood = 0.0;
    fit_weight(beta_table(slab), slab, sizes, count, universal_floor, beta.get(), &likelihood);
    return likelihood;
  };
  constexpr int scan = 12;
  const double first = std::log(kSmallestScale), last = std::log(kLargestScale), step = (last - first) / scan;
  double best = first, best_value = profile(first);
  for (int i = 1; i <= scan; ++i) {
    const double at = i == scan ? last : first + i * step, value = profile(at);
    if (value > best_value) best = at, best_value = value;
  }
  double low = std::max(first, best - step), high = std::min(last, best + step);
  const double golden = 0.6180339887498949;
  double left = high - golden * (high - low), right = low + golden * (high - low);
  double left_value = profile(left), right_value = profile(right);
  while (high - low > 1e-7) {
    if (left_value >= right_value) {
      high = right, right = left, right_value = left_value;
      left = high - golden * (high - low);
      left_value = profile(left);
    } else {
      low = left, left = right, left_value = right_value;
      right = low + golden * (high - low);
      right_value = profile(right);
    }
  }
  const double inner = left_value >= right_value ? left : right;
  if (std::max(left_value, right_value) > best_value) best = inner;
  if (best == first) return {Prior::laplace, kSmallestScale};
  if (best == last) return {Prior::laplace, kLargestScale};
  return {Prior::laplace, std::exp(best)};
}

Ebayes::Ebayes(const EbayesOptions& options) : options_(options) {
  if (!options.fit_scale) beta_ = beta_table(options.slab);
}

template <class T>
EbayesFit Ebayes::operator()(MapView<const T> map, T* out) const {
  const index_t size = map.size();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  if (!all_finite(map.data, size)) {
    std::fill_n(out, size, std::numeric_limits<T>::quiet_NaN());
    return {nan, nan, nan, nan, EbayesReason::not_finite};
  }
  EbayesFit fit;
  fit.sd = options_.sd > 0.0 ? options_.sd : spread(map.data, size);
  if (fit.sd == 0.0) {
    std::copy_n(map.data, size, out);
    return {0.0, nan, nan, nan, EbayesReason::no_spread};
  }
  const auto sizes = scratch<double>(size), beta = scratch<double>(size);
  standardise(map.data, size, fit.sd, sizes.get());
  Slab slab = options_.slab;
  if (options_.fit_scale) {
    slab = scale_from_data(sizes.get(), size, options_.universal_floor);
    fit.w = fit_weight(beta_table(slab), slab, sizes.get(), size, options_.universal_floor, beta.get());
  } else {
    fit.w = fit_weight(*beta_, slab, sizes.get(), size, options_.universal_floor, beta.get());
  }
  fit.a = slab.prior == Prior::laplace ? slab.a : nan;
  const double w = fit.w, threshold = threshold_from_weight(slab, w);
  fit.threshold = threshold * fit.sd;

  // The rules leave the sign alone and never enlarge a value. Zero is written without a sign.
  const auto write = [&](auto&& rule) {
    for (index_t i = 0; i < size; ++i) {
      const auto kept = static_cast<T>(rule(sizes[i]) * fit.sd);
      out[i] = kept > T(0) ? std::copysign(kept, map.data[i]) : T(0);
    }
  };
  switch (options_.rule) {
    case ThresholdRule::hard:
      for (index_t i = 0; i < size; ++i) out[i] = sizes[i] > threshold ? map.data[i] : T(0);
      break;
    case ThresholdRule::soft:
      write([&](double u) { return std::max(u - threshold, 0.0); });
      break;
    case ThresholdRule::median: {
      MedianCurve median(slab, w, threshold);
      write(median);
      break;
    }
    case ThresholdRule::mean: {
      const auto rule = [&](double u) { return posterior_mean(slab, w, u); };
      Curve table(0.0, kTableEnd, kPieces);
      write([&](double u) { return u == 0.0 ? 0.0 : table.covers(u) ? table(u, rule) : rule(u); });
      break;
    }
  }
  return fit;
}

template EbayesFit Ebayes::operator()(MapView<const float>, float*) const;
template EbayesFit Ebayes::operator()(MapView<const double>, double*) const;

}  // namespace xaijax
