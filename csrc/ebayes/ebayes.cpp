#include "xaijax/ebayes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "common/ordered.hpp"
#include "common/targets.hpp"
#include "ebayes/curve.hpp"
#include "ebayes/ebayes_median.hpp"
#include "ebayes/node_weights.hpp"
#include "ebayes/weight.hpp"
#include "selection/select.hpp"

namespace xaijax {

namespace {

constexpr double kMeanEnd = 12.0;  // of the table of posterior means
constexpr double kPieces = 16.0;   // of a table, per standard deviation

// From here on a value is surely no noise (beta is above 1e18), and counts as one that lies here.
double end_of(const Slab& slab) { return std::max(13.0, std::ceil(slab.a) + 10.0); }

// Beta at all nodes of one slab.
std::vector<double> betas_of(const Slab& slab) {
  Curve curve(0.0, end_of(slab), kPieces);
  curve.fill([&](double x) { return slab_beta_unbounded(slab, x); });
  const auto pieces = static_cast<index_t>(end_of(slab) * NodeWeights::pieces_per_unit);
  std::vector<double> betas;
  betas.reserve(static_cast<std::size_t>(pieces * NodeWeights::per_piece));
  for (index_t piece = 0; piece < pieces; ++piece)
    for (index_t j = 0; j < NodeWeights::per_piece; ++j) betas.push_back(curve(NodeWeights::node(piece, j)));
  return betas;
}

// Sums in eight lanes, the same whatever the width of the registers. Vectors by name, because the loop over the lanes
// inside the loop over the nodes becomes a tangle of shuffles otherwise.
constexpr index_t lanes = 8;
using Lanes = double __attribute__((vector_size(lanes * sizeof(double))));

double total(const double* lane) {
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

// The sums of t and of t (1 - t), t = w beta/(1 + w beta), with the weights given.
XAIJAX_SIMD void add_terms(const double* beta, const double* weight, index_t count, double w, double* first,
                           double* second) {
  Lanes sums{}, products{};
  for (index_t i = 0; i < count; i += lanes) {
    Lanes b, weights;
    std::memcpy(&b, beta + i, sizeof b);
    std::memcpy(&weights, weight + i, sizeof weights);
    const Lanes wb = w * b, t = wb / (1.0 + wb), weighted = weights * t;
    sums += weighted;
    products += weighted * (1.0 - t);
  }
  std::memcpy(first, &sums, sizeof sums);
  std::memcpy(second, &products, sizeof products);
}

// The marginal log-likelihood sum log(1 + w beta(x_i)) of the weight, for one slab. Its derivatives are with respect to
// log w.
class Likelihood {
 public:
  // `betas` of the same slab.
  Likelihood(const NodeWeights& data, const std::vector<double>& betas, const Slab& slab) : weight_(data.weights()) {
    beta_.reserve(weight_.size() + lanes);
    for (const std::int32_t piece : data.pieces()) {
      const double* const first = betas.data() + piece * NodeWeights::per_piece;
      beta_.insert(beta_.end(), first, first + NodeWeights::per_piece);
    }
    // As many as lie above three standard deviations: a first guess of the weight.
    double large = static_cast<double>(data.beyond());
    for (std::size_t i = 0; i < data.pieces().size(); ++i)
      if (data.pieces()[i] >= 3 * static_cast<std::int32_t>(NodeWeights::pieces_per_unit))
        for (std::size_t j = 0; j < NodeWeights::per_piece; ++j) large += weight_[i * NodeWeights::per_piece + j];
    guess_ = std::min(large / static_cast<double>(data.count()), 0.9);
    if (data.beyond() > 0) {
      beta_.push_back(slab_beta_unbounded(slab, data.end()));
      weight_.push_back(static_cast<double>(data.beyond()));
    }
    while (beta_.size() % lanes != 0) {
      beta_.push_back(0.0);
      weight_.push_back(0.0);
    }
  }

  void derivatives(double w, double& slope, double& curvature) const {
    double first[lanes], second[lanes];
    add_terms(beta_.data(), weight_.data(), static_cast<index_t>(beta_.size()), w, first, second);
    slope = total(first);
    curvature = total(second);
  }

  double value(double w) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < beta_.size(); ++i) sum += weight_[i] * std::log1p(w * beta_[i]);
    return sum;
  }

  // The weight in [low, 1] of the largest likelihood: Newton steps in log w from the guess, kept inside a
  // shrinking bracket. After a step below 1e-8 the next one would be below the last bit.
  double best_weight(double low) const {
    double slope, curvature;
    derivatives(low, slope, curvature);
    if (slope <= 0.0) return low;
    double left = std::log(low), right = 0.0, at = left;
    bool bounded = false;  // whether the likelihood is known to fall at `right`
    if (guess_ > low) {
      at = std::log(guess_);
      derivatives(guess_, slope, curvature);
      if (slope == 0.0) return guess_;
      (slope > 0.0 ? left : right) = at;
      bounded = slope < 0.0;
    }
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
  std::vector<double> beta_, weight_;
  double guess_ = 0.0;
};

double smallest_weight(const Slab& slab, index_t count, bool universal_floor) {
  if (!universal_floor) return 1e-12;  // stands for zero: the likelihood is searched in log w
  return weight_from_threshold(slab, std::sqrt(2.0 * std::log(static_cast<double>(std::max<index_t>(count, 1)))));
}

double fit_weight(const std::vector<double>& betas, const Slab& slab, const NodeWeights& data, bool universal_floor,
                  double* likelihood = nullptr) {
  const Likelihood marginal(data, betas, slab);
  const double w = marginal.best_weight(smallest_weight(slab, data.count(), universal_floor));
  if (likelihood) *likelihood = marginal.value(w);
  return w;
}

constexpr index_t block = 256;

// Writes zeros, and lists the values whose size may be above `least`.
template <class T>
inline index_t above_of(const T* values, index_t count, double least, T* out, std::int32_t* chosen) {
  std::uint8_t large[block];
  for (index_t i = 0; i < count; ++i) {
    large[i] = std::abs(static_cast<double>(values[i])) > least;
    out[i] = T(0);
  }
  index_t n = 0;
  for (index_t i = 0; i < count; ++i) {
    chosen[n] = static_cast<std::int32_t>(i);
    n += large[i];
  }
  return n;
}

XAIJAX_SIMD XAIJAX_FLATTEN index_t above(const float* values, index_t count, double least, float* out,
                                         std::int32_t* chosen) {
  return above_of(values, count, least, out, chosen);
}
XAIJAX_SIMD XAIJAX_FLATTEN index_t above(const double* values, index_t count, double least, double* out,
                                         std::int32_t* chosen) {
  return above_of(values, count, least, out, chosen);
}

XAIJAX_SIMD XAIJAX_FLATTEN bool finite(const float* values, index_t count) { return all_finite(values, count); }
XAIJAX_SIMD XAIJAX_FLATTEN bool finite(const double* values, index_t count) { return all_finite(values, count); }

template <class T>
inline void keys_of_sizes(const T* values, index_t count, ordered_key_t<T>* keys) {
  for (index_t i = 0; i < count; ++i) keys[i] = ordered_key(std::abs(values[i]));
}

XAIJAX_SIMD XAIJAX_FLATTEN void size_keys(const float* values, index_t count, std::uint32_t* keys) {
  keys_of_sizes(values, count, keys);
}
XAIJAX_SIMD XAIJAX_FLATTEN void size_keys(const double* values, index_t count, std::uint64_t* keys) {
  keys_of_sizes(values, count, keys);
}

// The smallest key above `key`, all ones if there is none.
template <class Key>
inline Key next_of(const Key* keys, index_t count, Key key) {
  Key next = ~Key(0);
  for (index_t i = 0; i < count; ++i) {
    const Key candidate = keys[i] > key ? keys[i] : ~Key(0);
    next = candidate < next ? candidate : next;
  }
  return next;
}

XAIJAX_SIMD XAIJAX_FLATTEN std::uint32_t next_key(const std::uint32_t* keys, index_t count, std::uint32_t key) {
  return next_of(keys, count, key);
}
XAIJAX_SIMD XAIJAX_FLATTEN std::uint64_t next_key(const std::uint64_t* keys, index_t count, std::uint64_t key) {
  return next_of(keys, count, key);
}

// 1.4826 * median |x|, the mean of the two middle values when there is an even number.
template <class T>
double spread(const T* map, index_t size) {
  using Key = ordered_key_t<T>;
  const auto keys = scratch<Key>(size), kept = scratch<Key>(size);
  size_keys(map, size, keys.get());
  const Cut<Key> cut = kth_largest(keys.get(), size, size / 2 + 1, kept.get());
  const auto lower = static_cast<double>(ordered_value<T>(cut.key));
  double median = lower;
  if (size % 2 == 0 && cut.above == size / 2) {
    const Key next = next_key(keys.get(), size, cut.key);
    median = 0.5 * lower + 0.5 * static_cast<double>(ordered_value<T>(next));
  }
  return std::min(1.4826 * median, std::numeric_limits<double>::max());
}

}  // namespace

double weight_from_data(const Slab& slab, const double* sizes, index_t count, bool universal_floor) {
  return fit_weight(betas_of(slab), slab, NodeWeights(sizes, count, 1.0, end_of(slab)), universal_floor);
}

// The sum of the sizes from `end` on, in ascending order so that it does not depend on theirs.
template <class T>
static double far_sum(const T* map, index_t count, double sd, double end) {
  std::vector<double> far;
  for (index_t i = 0; i < count; ++i) {
    const double size = std::abs(static_cast<double>(map[i])) / sd;
    if (size >= end) far.push_back(size);
  }
  std::sort(far.begin(), far.end());
  return std::accumulate(far.begin(), far.end(), 0.0);
}

// The slab and its weight together; `far_sum` is the sum of the sizes that `data` only counts.
// The profile likelihood over log a: a scan, then golden sections around the best of it. The ends count as they are.
static Slab scale_from_data(const NodeWeights& data, double far_sum, bool universal_floor) {
  const double far = static_cast<double>(data.beyond()), moved = far_sum - far * data.end();
  const auto profile = [&](double log_a) {
    const Slab slab{Prior::laplace, std::exp(log_a)};
    double likelihood = 0.0;
    fit_weight(betas_of(slab), slab, data, universal_floor, &likelihood);
    // There log(w beta(x)) is log(w beta(end)) - a (x - end), but for what does not depend on a.
    return likelihood - slab.a * moved;
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

// Of the given slab; empty where its scale is estimated.
struct Ebayes::Tables {
  std::vector<double> betas;
  std::optional<LaplaceMedian> median;
};

Ebayes::Ebayes(const EbayesOptions& options) : options_(options) {
  Tables tables;
  if (!options.fit_scale) {
    tables.betas = betas_of(options.slab);
    if (options.rule == ThresholdRule::median && options.slab.prior == Prior::laplace)
      tables.median.emplace(options.slab.a);
  }
  tables_ = std::make_shared<const Tables>(std::move(tables));
}

template <class T>
EbayesFit Ebayes::operator()(MapView<const T> map, T* out) const {
  const index_t size = map.size();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  if (!finite(map.data, size)) {
    std::fill_n(out, size, std::numeric_limits<T>::quiet_NaN());
    return {nan, nan, nan, nan, EbayesReason::not_finite};
  }
  EbayesFit fit;
  fit.sd = options_.sd > 0.0 ? options_.sd : spread(map.data, size);
  if (fit.sd == 0.0) {
    std::copy_n(map.data, size, out);
    return {0.0, nan, nan, nan, EbayesReason::no_spread};
  }
  Slab slab = options_.slab;
  const NodeWeights data(map.data, size, fit.sd,
                         options_.fit_scale ? end_of({Prior::laplace, kLargestScale}) : end_of(slab));
  if (options_.fit_scale) {
    slab = scale_from_data(data, far_sum(map.data, size, fit.sd, data.end()), options_.universal_floor);
    fit.w = fit_weight(betas_of(slab), slab, data, options_.universal_floor);
  } else {
    fit.w = fit_weight(tables_->betas, slab, data, options_.universal_floor);
  }
  fit.a = slab.prior == Prior::laplace ? slab.a : nan;
  const double w = fit.w, sd = fit.sd, threshold = threshold_from_weight(slab, w);
  fit.threshold = threshold * sd;

  // Calls rule(size) where the size is above `from`; elsewhere zero is written, without a sign. The rules leave the
  // sign alone and never enlarge a value. Divides only where it may matter.
  const auto write = [&](double from, auto&& rule) {
    const double least = from * sd * (1.0 - 1e-14);
    std::int32_t chosen[block];
    for (index_t start = 0; start < size; start += block) {
      const T* const in = map.data + start;
      T* const to = out + start;
      const index_t count = above(in, std::min(block, size - start), least, to, chosen);
      for (index_t k = 0; k < count; ++k) {
        const std::int32_t i = chosen[k];
        const double u = std::abs(static_cast<double>(in[i])) / sd;
        if (!(u > from)) continue;
        const auto kept = std::min(static_cast<T>(rule(u) * sd), std::abs(in[i]));
        if (kept > T(0)) to[i] = std::copysign(kept, in[i]);
      }
    }
  };
  switch (options_.rule) {
    case ThresholdRule::hard:
      for (index_t i = 0; i < size; ++i)
        out[i] = std::abs(static_cast<double>(map.data[i])) / sd > threshold ? map.data[i] : T(0);
      break;
    case ThresholdRule::soft:
      write(threshold, [&](double u) { return u - threshold; });
      break;
    case ThresholdRule::median: {
      const auto& shared = tables_->median;
      std::optional<LaplaceMedian> own;
      if (!shared && slab.prior == Prior::laplace) own.emplace(slab.a);
      MedianCurve median(slab, shared ? &*shared : own ? &*own : nullptr, w, threshold);
      write(threshold, median);
      break;
    }
    case ThresholdRule::mean: {
      // The mean as a share of the value: the mean itself goes to zero, and a table of it would lose its digits there.
      const auto rule = [&](double u) { return posterior_mean_share(slab, w, u); };
      Curve table(0.0, kMeanEnd, kPieces);
      write(0.0, [&](double u) { return u * (table.covers(u) ? table(u, rule) : rule(u)); });
      break;
    }
  }
  return fit;
}

template EbayesFit Ebayes::operator()(MapView<const float>, float*) const;
template EbayesFit Ebayes::operator()(MapView<const double>, double*) const;

}  // namespace xaijax
