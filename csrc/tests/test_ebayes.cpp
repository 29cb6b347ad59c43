// Published values of EbayesThresh (R package 1.3.2 on CRAN; its tests, sd = 1) and numbers from direct quadrature.
#include "xaijax/ebayes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "ebayes/ebayes_median.hpp"
#include "ebayes/node_weights.hpp"
#include "ebayes/weight.hpp"

using namespace xaijax;

namespace {

bool near(double a, double b, double tolerance = 1e-8) { return std::abs(a - b) <= tolerance * (1.0 + std::abs(b)); }

const Slab laplace{Prior::laplace, 0.5}, cauchy{Prior::cauchy, 0.0};

void published() {
  const double x[] = {-2, 1, 0, -4, 5};
  const double beta[] = {0.889852029651143, -0.380041716606011, -0.561817771773154, 285.459466672351, 15639.8849145429};
  const double mean[] = {-1.01158962199946, 0.270953305249239, 0, -3.48800924041643, 4.4997151290092};
  const double median[] = {-0.829992882781227, 0, 0, -3.49568406354978, 4.49992059554046};
  for (int i = 0; i < 5; ++i) {
    CHECK(near(slab_beta(laplace, x[i]), beta[i], 1e-13));
    CHECK(near(posterior_mean(laplace, 0.5, x[i]), mean[i], 1e-13));
    CHECK(near(posterior_median(laplace, 0.5, x[i]), median[i], 1e-13));
  }
  const double threshold[] = {2.44873377028853, 1.92279064562172, 1.40956187155098, 0.767900790087879};
  for (int i = 0; i < 4; ++i) CHECK(near(threshold_from_weight(laplace, 0.2 * (i + 1)), threshold[i]));
  const double weight[] = {0.734187187788918, 0.368633767549335, 0.0661925474440213, 0.00348003803260551,
                           6.39312743790131e-05};
  for (int i = 0; i < 5; ++i) CHECK(near(weight_from_threshold(laplace, i + 1), weight[i], 1e-13));
}

void quadrature() {
  struct Row {
    double w, x, beta, mean, median;
  };
  const Row rows[] = {{0.5, 2, 0.5972640247326664, 0.8074897294850653, 0.3985555187482741},
                      {0.5, 2.5, 2.48158321496429, 1.409923940347867, 1.3943561765349801},
                      {0.5, 8, 1233796252853.7725, 7.7499999999939835, 7.751231417446149},
                      {0.05, 1, -0.3512787292998717, 0.017877943529266388, 0},
                      {0.05, 4, 185.24737419011174, 3.177218769490167, 3.3734736834209067},
                      {0.2, 3, 8.890792366724732, 1.685422129825656, 1.7898861412476839},
                      {0.2, 0, -0.5, 0, 0}};
  for (const Row& row : rows) {
    CHECK(near(slab_beta(cauchy, row.x), row.beta, 1e-12));
    CHECK(near(posterior_mean(cauchy, row.w, -row.x), -row.mean, 1e-12));
    CHECK(near(posterior_median(cauchy, row.w, row.x), row.median, 1e-12));
  }
  const double weight[] = {0.7531934690375901, 0.4229634032635055, 0.09337993364852991};
  for (int i = 0; i < 3; ++i) CHECK(near(weight_from_threshold(cauchy, i + 1), weight[i], 1e-12));
  CHECK(near(threshold_from_weight(cauchy, 0.05), 3.263014724234715, 1e-10));
  CHECK(near(bayes_factor_threshold(laplace, 0.05), 3.1126159050053426, 1e-10));
  CHECK(near(bayes_factor_threshold(laplace, 0.4), 1.8434715680145142, 1e-10));
}

// The rules leave zero exactly where the threshold says, stay between zero and the value, and grow with it.
void rules_are_sound(const Slab& slab) {
  for (const double w : {1e-9, 1e-4, 0.05, 0.3, 0.9, 1.0}) {
    const double threshold = threshold_from_weight(slab, w);
    CHECK(near(weight_from_threshold(slab, threshold), w, 1e-9));
    CHECK(posterior_median(slab, w, threshold - 1e-6) == 0.0 || threshold < 1e-6);
    CHECK(posterior_median(slab, w, threshold + 1e-3) > 0.0);
    double last_mean = 0.0, last_median = 0.0;
    bool sound = true;
    for (double x = 0.01; x < 60.0; x += 0.01) {
      const double mean = posterior_mean(slab, w, x), median = posterior_median(slab, w, x);
      sound &= std::isfinite(mean) && std::isfinite(median) && mean <= x && median <= x;
      sound &= mean >= last_mean - 1e-9 && median >= last_median - 1e-3;
      last_mean = mean;
      last_median = median;
    }
    CHECK(sound);
    CHECK(std::isfinite(posterior_mean(slab, w, 1e6)) && std::isfinite(posterior_median(slab, w, 1e6)));
  }
}

// The tables inside Ebayes against the functions themselves, on a map that reaches 40 standard deviations.
void tables(const Slab& slab) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> map(40000), out(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) map[i] = normal(random) * (i % 7 == 0 ? 6.0 : 1.0);
  map[0] = 40.0;
  map[1] = -40.0;
  map[2] = 0.0;
  for (const auto rule : {ThresholdRule::median, ThresholdRule::mean, ThresholdRule::soft, ThresholdRule::hard}) {
    EbayesOptions options;
    options.slab = slab;
    options.sd = 1.0;
    options.rule = rule;
    const EbayesFit fit = Ebayes(options)(MapView<const double>{map.data(), 200, 200}, out.data());
    CHECK(fit.reason == EbayesReason::none && fit.w > 0.05 && fit.w <= 1.0);
    double worst = 0.0;
    for (std::size_t i = 0; i < map.size(); ++i) {
      const double x = map[i], size = std::abs(x);
      double expected = 0.0;
      if (rule == ThresholdRule::median) expected = posterior_median(slab, fit.w, x);
      if (rule == ThresholdRule::mean) expected = posterior_mean(slab, fit.w, x);
      if (rule == ThresholdRule::soft) expected = std::copysign(std::max(size - fit.threshold, 0.0), x);
      if (rule == ThresholdRule::hard) expected = size > fit.threshold ? x : 0.0;
      worst = std::max(worst, std::abs(out[i] - expected));
    }
    CHECK(worst < 1e-10);
    if (!(worst < 1e-10)) std::fprintf(stderr, "rule %d: %g\n", static_cast<int>(rule), worst);
  }
}

// The weights integrate cubics on their pieces exactly, other smooth functions closely, in any order of the values.
void node_weights() {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> map(5000);
  for (double& x : map) x = 3.0 * normal(random);
  map[7] = 100.0;
  const auto sum = [](const NodeWeights& data, const auto& f) {
    double total = 0.0;
    for (std::size_t i = 0; i < data.pieces().size(); ++i)
      for (index_t j = 0; j < NodeWeights::per_piece; ++j)
        total += data.weights()[4 * i + static_cast<std::size_t>(j)] * f(NodeWeights::node(data.pieces()[i], j));
    return total;
  };
  const double sd = 0.7;
  const NodeWeights data(map.data(), 5000, sd, 13.0);
  const auto directly = [&](const auto& f) {
    double total = 0.0;
    for (const double x : map)
      if (std::abs(x) / sd < 13.0) total += f(std::abs(x) / sd);
    return total;
  };
  const auto cubic = [](double u) { return 1.0 - 2.0 * u + 0.5 * u * u * u; };
  const auto sigmoid = [](double u) { return 1.0 / (1.0 + std::exp(5.0 * (4.0 - u))); };
  index_t far = 0;
  for (const double x : map) far += std::abs(x) / sd >= 13.0;
  CHECK(data.beyond() == far && far > 0);
  CHECK(near(sum(data, [](double) { return 1.0; }), static_cast<double>(5000 - far), 1e-13));
  CHECK(near(sum(data, cubic), directly(cubic), 1e-12));
  CHECK(near(sum(data, sigmoid), directly(sigmoid), 1e-11));
  std::reverse(map.begin(), map.end());
  CHECK(NodeWeights(map.data(), 5000, sd, 13.0).weights() == data.weights());
  // The smallest standard deviation of all.
  std::vector<double> tiny{0.0, 5e-324, 1e-323};
  const NodeWeights small(tiny.data(), 3, 5e-324, 13.0);
  CHECK(small.beyond() == 0 && near(sum(small, [](double u) { return u; }), 3.0, 1e-12));
}

// The tables of the Laplace median against the function itself.
void laplace_median() {
  for (const double a : {0.04, 0.5, 3.0, 20.0}) {
    const LaplaceMedian median(a);
    double worst = 0.0;
    for (const double w : {1e-9, 1e-3, 0.2, 1.0})
      for (double x = 0.0; x < 45.0; x += 0.037)
        worst = std::max(worst, std::abs(median(w, x) - posterior_median({Prior::laplace, a}, w, x)));
    CHECK(worst < 1e-11);
    if (!(worst < 1e-11)) std::fprintf(stderr, "a = %g: %g\n", a, worst);
  }
}

void special_maps() {
  EbayesOptions options;
  std::vector<float> map{0, 0, 0, 0, 0, 1, 2, -3}, out(8);
  const Ebayes ebayes(options);
  EbayesFit fit = ebayes(MapView<const float>{map.data(), 2, 4}, out.data());
  CHECK(fit.reason == EbayesReason::no_spread && out == map);
  map = {1, -1, 3, -3, 5, -5, 7, -7};
  fit = ebayes(MapView<const float>{map.data(), 2, 4}, out.data());
  CHECK(near(fit.sd, 1.4826 * 4.0, 1e-15));
  map[3] = std::numeric_limits<float>::infinity();
  fit = ebayes(MapView<const float>{map.data(), 2, 4}, out.data());
  CHECK(fit.reason == EbayesReason::not_finite && std::isnan(out[0]));
  // The ends of double: a spread beyond its largest number, values beyond it in units of the spread.
  for (const auto rule : {ThresholdRule::median, ThresholdRule::mean, ThresholdRule::hard, ThresholdRule::soft})
    for (const Slab& slab : {laplace, cauchy})
      for (const double unit : {1e-300, 1e300}) {
        options.rule = rule;
        options.slab = slab;
        const std::vector<double> wide{1e8 * unit, -unit, unit, 2 * unit, -0.5 * unit, 1.5e308};
        std::vector<double> kept(wide.size());
        const Ebayes extreme(options);
        extreme(MapView<const double>{wide.data(), 2, 3}, kept.data());
        for (std::size_t i = 0; i < wide.size(); ++i)
          CHECK(std::isfinite(kept[i]) && std::abs(kept[i]) <= std::abs(wide[i]));
        CHECK(unit > 1.0 || kept[5] > 1e308);
      }
  // Far below the threshold there is nothing, and with no atom a value next to zero keeps its share.
  CHECK(posterior_median(cauchy, 0.9, 2e-8) == 0.0);
  const double share = posterior_median(cauchy, 1.0, 1e-2) / 1e-2;
  for (const double x : {1e-3, 2e-4, 1e-5}) CHECK(near(posterior_median(cauchy, 1.0, x) / x, share, 0.02 * share));
  // Nothing but noise sits at the floor; nothing but signal at one.
  std::vector<double> sizes(1000, 0.3);
  CHECK(near(threshold_from_weight(laplace, weight_from_data(laplace, sizes.data(), 1000, true)),
             std::sqrt(2 * std::log(1000.0))));
  sizes.assign(1000, 30.0);
  CHECK(weight_from_data(laplace, sizes.data(), 1000, true) == 1.0);
}

}  // namespace

int main() {
  published();
  quadrature();
  for (const Slab& slab : {laplace, cauchy, Slab{Prior::laplace, 0.04}, Slab{Prior::laplace, 3.0}})
    rules_are_sound(slab);
  tables(laplace);
  tables(cauchy);
  tables(Slab{Prior::laplace, 3.0});
  node_weights();
  laplace_median();
  special_maps();
  CHECK(near(normal_quantile(0.975), 1.959963984540054, 1e-14));
  CHECK(near(normal_quantile(1e-300), -37.0471, 1e-5));
  return check::report();
}
