// Empirical-Bayes thresholding: what every fit and rule must satisfy, and the rules themselves pixel by pixel.
#include "xaijax/ebayes.hpp"

#include <numeric>

#include "fuzz.hpp"

namespace fuzz {

namespace {

template <class T>
void ebayes_of(Random& random) {
  xaijax::EbayesOptions options;
  options.slab.prior = random.chance(0.5) ? xaijax::Prior::laplace : xaijax::Prior::cauchy;
  options.slab.a = random.chance(0.5) ? 0.5 : 0.04 * std::pow(75.0, random.unit());
  options.fit_scale = options.slab.prior == xaijax::Prior::laplace && random.chance(0.05);
  options.sd = random.chance(0.6) ? 0.0 : std::exp(3.0 * random.normal());
  options.rule = static_cast<xaijax::ThresholdRule>(random.below(4));
  options.universal_floor = random.chance(0.7);
  const Size shape = size(random, options.fit_scale ? 60 : random.chance(0.1) ? 3000 : 300);
  const index_t items = random.between(1, 3), n = shape.pixels();
  std::vector<T> maps;
  for (index_t i = 0; i < items; ++i) {
    auto map = values<T>(random, n, random.chance(0.05));
    if (random.chance(0.4))  // sparse signal in unit noise, up to 40 standard deviations and beyond
      for (T& v : map) v = static_cast<T>(random.normal() + (random.chance(0.1) ? 50.0 * random.normal() : 0.0));
    maps.insert(maps.end(), map.begin(), map.end());
  }
  const xaijax::Ebayes ebayes(options);
  std::vector<xaijax::EbayesFit> fits(static_cast<std::size_t>(items));
  const auto found = on_threads<T>(random, items, n, [&](index_t i, T* out) {
    fits[static_cast<std::size_t>(i)] =
        ebayes(xaijax::MapView<const T>{maps.data() + i * n, shape.height, shape.width}, out);
  });
  for (index_t i = 0; i < items; ++i) {
    const std::vector<T> map(maps.data() + i * n, maps.data() + (i + 1) * n);
    const std::vector<T> out(found.data() + i * n, found.data() + (i + 1) * n);
    const xaijax::EbayesFit fit = fits[static_cast<std::size_t>(i)];
    if (!all_finite(map)) {
      EXPECT(fit.reason == xaijax::EbayesReason::not_finite);
      for (const T v : out) EXPECT(std::isnan(v));
      continue;
    }
    if (fit.reason == xaijax::EbayesReason::no_spread) {
      EXPECT(options.sd == 0.0 && fit.sd == 0.0 && out == map);
      continue;
    }
    EXPECT(fit.reason == xaijax::EbayesReason::none);
    EXPECT(fit.sd > 0.0 && fit.w > 0.0 && fit.w <= 1.0 && fit.threshold >= 0.0);
    xaijax::Slab slab = options.slab;
    if (options.fit_scale) {
      EXPECT(fit.a >= xaijax::kSmallestScale && fit.a <= xaijax::kLargestScale);
      slab.a = fit.a;
    }
    std::vector<std::size_t> order(map.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return std::abs(map[a]) < std::abs(map[b]); });
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::size_t k = 0; k < order.size(); ++k) {
      const T in = map[order[k]], kept = out[order[k]];
      const double x = std::abs(static_cast<double>(in)), y = std::abs(static_cast<double>(kept));
      EXPECT(std::isfinite(kept));
      EXPECT(kept == T(0) || std::signbit(kept) == std::signbit(in));
      EXPECT(y <= x);
      // Each of the two may be off by 1e-8 standard deviations, which is all of a value near zero.
      if (k > 0) EXPECT(y >= std::abs(static_cast<double>(out[order[k - 1]])) * (1.0 - 1e-9) - 2e-8 * fit.sd);
      const double u = x / fit.sd, threshold = xaijax::threshold_from_weight(slab, fit.w);
      if (options.rule != xaijax::ThresholdRule::mean && u <= threshold) EXPECT(kept == T(0));
      if (!std::isfinite(u) || x > 1e307) continue;
      // In subnormal units the threshold is rounded to a value of the map, which may lie on its other side.
      if (fit.sd < std::numeric_limits<double>::min() && kept == T(0) && x <= fit.threshold) continue;
      double expected = u > threshold ? u : 0.0;
      if (options.rule == xaijax::ThresholdRule::soft) expected = std::max(u - threshold, 0.0);
      if (options.rule == xaijax::ThresholdRule::mean) expected = xaijax::posterior_mean(slab, fit.w, u);
      if (options.rule == xaijax::ThresholdRule::median) expected = xaijax::posterior_median(slab, fit.w, u);
      EXPECT(near(y, expected * fit.sd,
                  1e-8 * fit.sd + 4.0 * eps * x + static_cast<double>(std::numeric_limits<T>::denorm_min())));
    }
    // Pixels elsewhere, signs turned, everything twice as large: the same estimates to the last bit.
    if (options.fit_scale && !random.chance(0.2)) continue;
    const Turn turned = turn(random, shape);
    auto other = turned(map);
    for (T& v : other) v = -v;
    std::vector<T> other_out(other.size());
    const auto other_fit = ebayes(xaijax::MapView<const T>{other.data(), shape.width, shape.height}, other_out.data());
    EXPECT(same_bits(other_fit.w, fit.w) && same_bits(other_fit.sd, fit.sd));
    const auto expected = turned(out);
    for (std::size_t p = 0; p < other.size(); ++p) EXPECT(other_out[p] == -expected[p]);
    double largest = 0.0, least = std::numeric_limits<double>::max();
    for (const T v : map) {
      largest = std::max(largest, std::abs(static_cast<double>(v)));
      if (v != T(0)) least = std::min(least, std::abs(static_cast<double>(v)));
    }
    const double small = static_cast<double>(std::numeric_limits<T>::min()) * 1e8;
    if (options.sd > 0.0 || least < small || fit.sd < small ||
        largest > 0.25 * static_cast<double>(std::numeric_limits<T>::max()))
      continue;
    other = map;
    for (T& v : other) v *= T(2);
    const auto twice = ebayes(xaijax::MapView<const T>{other.data(), shape.height, shape.width}, other_out.data());
    EXPECT(same_bits(twice.w, fit.w) && same_bits(twice.sd, 2.0 * fit.sd));
    for (std::size_t p = 0; p < other.size(); ++p)
      EXPECT(other_out[p] == T(2) * out[p] || std::abs(static_cast<double>(out[p])) < small);
  }
}

}  // namespace

void ebayes(Random& random) { random.chance(0.5) ? ebayes_of<float>(random) : ebayes_of<double>(random); }

}  // namespace fuzz
