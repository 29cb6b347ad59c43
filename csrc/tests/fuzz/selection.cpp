// Levels, random masks, top-k and similarity: against sorting and counting.
#include <functional>
#include <numeric>

#include "fuzz.hpp"
#include "xaijax/levels.hpp"
#include "xaijax/random_mask.hpp"
#include "xaijax/similarity.hpp"
#include "xaijax/top_k.hpp"

namespace fuzz {

namespace {

template <class T>
bool holds_nan(const T* values, index_t n) {
  return std::any_of(values, values + n, [](T v) { return std::isnan(v); });
}

// numpy.quantile(sorted, 1 - fraction), method "linear".
template <class T>
T quantile(const std::vector<T>& sorted, double fraction) {
  const double place = static_cast<double>(sorted.size() - 1) * (1.0 - fraction);
  const auto low = static_cast<std::size_t>(place);
  const bool last = low + 1 >= sorted.size();
  const double weight = last ? place + 1.0 : place - std::floor(place);
  const T a = sorted[low], b = last ? a : sorted[low + 1], gap = b - a;
  return weight < 0.5 ? a + gap * static_cast<T>(weight) : b - gap * static_cast<T>(1.0 - weight);
}

template <class T>
void levels_of(Random& random) {
  const Size shape = size(random, random.chance(0.1) ? 40000 : 2000);
  const index_t items = random.between(1, 4), n = shape.pixels();
  std::vector<T> maps;
  for (index_t i = 0; i < items; ++i) {
    const auto map = values<T>(random, n, random.chance(0.1));
    maps.insert(maps.end(), map.begin(), map.end());
  }
  std::vector<double> fractions;
  for (index_t k = random.chance(0.02) ? random.between(1, 3000) : random.between(1, 20); k > 0; --k)
    fractions.push_back(random.chance(0.1) ? 1.0 : std::max(1e-9, random.unit()));
  std::sort(fractions.begin(), fractions.end());
  fractions.erase(std::unique(fractions.begin(), fractions.end()), fractions.end());
  const auto never = static_cast<std::uint16_t>(fractions.size() + 1);
  std::vector<char> always(static_cast<std::size_t>(n), 0);
  const bool masked = random.chance(0.5);
  for (auto& in : always) in = masked && random.chance(0.1);
  const bool* const mask = masked ? reinterpret_cast<const bool*>(always.data()) : nullptr;
  const auto found = on_threads<std::uint16_t>(random, items, n, [&](index_t i, std::uint16_t* out) {
    xaijax::reveal_levels<T>({maps.data() + i * n, shape.height, shape.width}, fractions, mask, out);
  });
  for (index_t i = 0; i < items; ++i) {
    const T* const map = maps.data() + i * n;
    std::vector<T> sorted(map, map + n), thresholds;
    const bool broken = holds_nan(map, n);
    if (!broken) std::sort(sorted.begin(), sorted.end());
    for (const double fraction : fractions)
      thresholds.push_back(broken ? std::numeric_limits<T>::quiet_NaN() : quantile(sorted, fraction));
    for (index_t p = 0; p < n; ++p) {
      std::uint16_t expected = never;
      for (std::size_t k = thresholds.size(); k-- > 0;)
        if (map[p] >= thresholds[k]) expected = static_cast<std::uint16_t>(k + 1);
      if (always[static_cast<std::size_t>(p)]) expected = 0;
      EXPECT(found[static_cast<std::size_t>(i * n + p)] == expected);
    }
  }
}

template <class T>
void top_k_of(Random& random) {
  const Size shape = size(random, random.chance(0.2) ? 60000 : 3000);
  const index_t items = random.between(1, 4), n = shape.pixels();
  std::vector<T> maps;
  for (index_t i = 0; i < items; ++i) {
    const auto map = values<T>(random, n, random.chance(0.1));
    maps.insert(maps.end(), map.begin(), map.end());
  }
  const double percent = random.chance(0.2) ? 100.0 : std::max(1e-6, 100.0 * random.unit() * random.unit());
  const auto found = on_threads<T>(random, items, n, [&](index_t i, T* out) {
    xaijax::top_k_threshold<T>({maps.data() + i * n, shape.height, shape.width}, percent, out);
  });
  const index_t k = xaijax::top_count(n, percent);
  EXPECT(k >= 1 && k <= n && std::abs(static_cast<double>(k) - percent * static_cast<double>(n) / 100.0) < 1.0 + 1e-6);
  for (index_t i = 0; i < items; ++i) {
    const T* const map = maps.data() + i * n;
    if (holds_nan(map, n)) {
      for (index_t p = 0; p < n; ++p) EXPECT(std::isnan(found[static_cast<std::size_t>(i * n + p)]));
      continue;
    }
    std::vector<T> sorted(map, map + n);
    std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<T>());
    const T least = sorted[static_cast<std::size_t>(k - 1)];
    for (index_t p = 0; p < n; ++p)
      EXPECT(found[static_cast<std::size_t>(i * n + p)] == (map[p] >= least ? map[p] : T(0)));
  }
}

template <class T>
std::vector<double> ranks(const std::vector<T>& map) {
  std::vector<double> out;
  for (const T v : map) {
    index_t below = 0, equal = 0;
    for (const T other : map) {
      below += other < v;
      equal += other == v;
    }
    out.push_back(static_cast<double>(2 * below + equal + 1) / 2.0);
  }
  return out;
}

// Pearson's correlation of values brought to [0, 1] first, so that nothing overflows.
template <class T>
double correlation(const std::vector<T>& a, const std::vector<T>& b) {
  const auto scaled = [](const std::vector<T>& map) {
    const auto [least, most] = std::minmax_element(map.begin(), map.end());
    std::vector<long double> out;
    long double mean = 0;
    for (const T v : map)
      out.push_back((static_cast<long double>(v) - *least) / (static_cast<long double>(*most) - *least));
    for (const long double v : out) mean += v / static_cast<long double>(out.size());
    for (long double& v : out) v -= mean;
    return out;
  };
  const auto x = scaled(a), y = scaled(b);
  const long double zero = 0;
  return static_cast<double>(std::inner_product(x.begin(), x.end(), y.begin(), zero) /
                             std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), zero) *
                                       std::inner_product(y.begin(), y.end(), y.begin(), zero)));
}

template <class T>
bool constant(const std::vector<T>& map) {
  return *std::min_element(map.begin(), map.end()) == *std::max_element(map.begin(), map.end());
}

template <class T>
void similarity_of(Random& random) {
  const Size shape = size(random, random.chance(0.05) ? 20000 : random.chance(0.3) ? 700 : 120);
  const index_t items = random.between(1, 3), n = shape.pixels();
  std::vector<T> a, b;
  for (index_t i = 0; i < items; ++i) {
    const auto x = values<T>(random, n, random.chance(0.05));
    auto y = values<T>(random, n, random.chance(0.05));
    const double kept = random.chance(0.5) ? random.unit() : 0.0;
    for (std::size_t p = 0; p < y.size(); ++p)
      if (random.chance(kept)) y[p] = x[p];
    a.insert(a.end(), x.begin(), x.end());
    b.insert(b.end(), y.begin(), y.end());
  }
  xaijax::SimilarityOptions options;
  options.percent = std::max(0.01, 100.0 * random.unit());
  const auto found = on_threads<double>(random, items, 3, [&](index_t i, double* out) {
    xaijax::similarity<T>({a.data() + i * n, shape.height, shape.width}, b.data() + i * n, options, out);
  });
  for (index_t i = 0; i < items; ++i) {
    const std::vector<T> x(a.data() + i * n, a.data() + (i + 1) * n), y(b.data() + i * n, b.data() + (i + 1) * n);
    const double *const value = found.data() + 3 * i, spearman = value[0], pearson = value[1], overlap = value[2];
    if (!all_finite(x) || !all_finite(y)) {
      EXPECT(std::isnan(spearman) && std::isnan(pearson) && std::isnan(overlap));
      continue;
    }
    const bool flat = constant(x) || constant(y);
    EXPECT(std::isnan(spearman) == flat && std::isnan(pearson) == flat);
    EXPECT(flat || (std::abs(spearman) <= 1.0 && std::abs(pearson) <= 1.0));
    EXPECT(overlap > -1e-12 && overlap <= 1.0);
    if (!flat && n <= 700) EXPECT(near(spearman, correlation(ranks(x), ranks(y)), 1e-12));
    if (!flat) EXPECT(near(pearson, correlation(x, y), 1e-9));
    std::vector<T> sorted_x = x, sorted_y = y;
    std::sort(sorted_x.begin(), sorted_x.end(), std::greater<T>());
    std::sort(sorted_y.begin(), sorted_y.end(), std::greater<T>());
    const auto k = static_cast<std::size_t>(xaijax::top_count(n, options.percent)) - 1;
    index_t both = 0, either = 0;
    for (std::size_t p = 0; p < x.size(); ++p) {
      both += x[p] >= sorted_x[k] && y[p] >= sorted_y[k];
      either += x[p] >= sorted_x[k] || y[p] >= sorted_y[k];
    }
    EXPECT(overlap == static_cast<double>(both) / static_cast<double>(either));
    // Symmetric, and indifferent to the order of the pixels: bit for bit. One measure alone is what all together give.
    double other[3];
    xaijax::similarity<T>({y.data(), shape.height, shape.width}, x.data(), options, other);
    for (int m = 0; m < 3; ++m) EXPECT(near(value[m], other[m], 0.0));
    const Turn turned = turn(random, shape);
    const auto turned_x = turned(x), turned_y = turned(y);
    xaijax::similarity<T>({turned_x.data(), shape.width, shape.height}, turned_y.data(), options, other);
    for (int m = 0; m < 3; ++m) EXPECT(near(value[m], other[m], 0.0));
    auto alone = options;
    const auto m = random.below(3);
    alone.wanted = 1u << m;
    xaijax::similarity<T>({x.data(), shape.height, shape.width}, y.data(), alone, other);
    EXPECT(near(value[m], other[0], 0.0));
  }
}

}  // namespace

void levels(Random& random) { random.chance(0.5) ? levels_of<float>(random) : levels_of<double>(random); }
void top_k(Random& random) { random.chance(0.5) ? top_k_of<float>(random) : top_k_of<double>(random); }
void similarity(Random& random) { random.chance(0.5) ? similarity_of<float>(random) : similarity_of<double>(random); }

void random_mask(Random& random) {
  const index_t n = size(random, 50000).pixels(), items = random.between(1, 4);
  const std::uint64_t seed = random.bits();
  const index_t count = random.chance(0.1) ? n : random.below(n + 1);
  const auto found = on_threads<std::uint8_t>(random, items, n, [&](index_t i, std::uint8_t* out) {
    xaijax::random_mask(n, count, seed + static_cast<std::uint64_t>(i), reinterpret_cast<bool*>(out));
  });
  for (index_t i = 0; i < items; ++i)
    EXPECT(std::count(found.begin() + i * n, found.begin() + (i + 1) * n, 1) == count);
  // The first steps of one shuffle: a larger set from the same seed holds the smaller one.
  std::vector<std::uint8_t> larger(static_cast<std::size_t>(n));
  xaijax::random_mask(n, random.between(count, n), seed, reinterpret_cast<bool*>(larger.data()));
  for (index_t p = 0; p < n; ++p) EXPECT(found[static_cast<std::size_t>(p)] <= larger[static_cast<std::size_t>(p)]);
}

}  // namespace fuzz
