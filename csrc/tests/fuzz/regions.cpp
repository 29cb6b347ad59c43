// Ranked regions: against the definition word for word where sums are exact, invariants elsewhere.
#include "xaijax/regions.hpp"

#include <numeric>

#include "fuzz.hpp"

namespace fuzz {

namespace {

using Masks = std::vector<std::uint8_t>;

Masks some_masks(Random& random, Size shape, index_t count) {
  Masks masks;
  for (index_t m = 0; m < count; ++m) {
    const auto kind = random.below(6);
    const double share = random.unit();
    const index_t y0 = random.below(shape.height), y1 = random.between(y0, shape.height - 1);
    const index_t x0 = random.below(shape.width), x1 = random.between(x0, shape.width - 1);
    for (index_t y = 0; y < shape.height; ++y)
      for (index_t x = 0; x < shape.width; ++x) {
        const bool box = y >= y0 && y <= y1 && x >= x0 && x <= x1;
        const bool in = kind == 0 ? random.chance(share) : kind == 1 ? false : kind == 2 ? true : box;
        masks.push_back(in ? static_cast<std::uint8_t>(random.between(1, 255)) : std::uint8_t{0});
      }
  }
  return masks;
}

Masks dilated(const Masks& masks, Size shape, index_t radius) {
  Masks out(masks.size(), 0);
  const index_t n = shape.pixels();
  for (index_t i = 0; i < static_cast<index_t>(masks.size()); ++i) {
    if (masks[static_cast<std::size_t>(i)] == 0) continue;
    const index_t start = i / n * n, y = i % n / shape.width, x = i % n % shape.width;
    for (index_t v = 0; v < shape.height; ++v)
      for (index_t u = 0; u < shape.width; ++u)
        if ((v - y) * (v - y) + (u - x) * (u - x) <= radius * radius)
          out[static_cast<std::size_t>(start + v * shape.width + u)] = 1;
  }
  return out;
}

// The definition, for attributions whose sums are exact.
template <class T>
void by_definition(const std::vector<T>& attribution, const Masks& masks, index_t count,
                   const xaijax::RegionOptions& options, std::vector<double>& map, std::vector<std::int32_t>& ranks) {
  const auto n = static_cast<index_t>(attribution.size());
  std::vector<int> region(attribution.size(), -1);
  std::vector<double> gains;
  index_t covered = 0;
  const auto gain_of = [&](index_t m, bool whole, index_t& pixels) {
    double sum = 0.0;
    pixels = 0;
    for (index_t p = 0; p < n; ++p) {
      const auto at = static_cast<std::size_t>(p);
      if (m >= 0 && masks[static_cast<std::size_t>(m * n + p)] == 0) continue;
      if (!whole && region[at] >= 0) continue;
      sum += static_cast<double>(attribution[at]);
      ++pixels;
    }
    return pixels > 0 ? static_cast<double>(static_cast<T>(sum / static_cast<double>(pixels)))
                      : -std::numeric_limits<double>::infinity();
  };
  const auto add = [&](index_t m) {
    index_t pixels;
    const double gain = gain_of(m, false, pixels);
    if (pixels < options.min_pixels) return;
    for (index_t p = 0; p < n; ++p)
      if (masks[static_cast<std::size_t>(m * n + p)] != 0 && region[static_cast<std::size_t>(p)] < 0) {
        region[static_cast<std::size_t>(p)] = static_cast<int>(gains.size());
        ++covered;
      }
    gains.push_back(gain);
  };
  std::vector<index_t> left(static_cast<std::size_t>(count));
  std::iota(left.begin(), left.end(), index_t{0});
  if (options.fast) {
    index_t pixels;
    std::stable_sort(left.begin(), left.end(),
                     [&](index_t a, index_t b) { return gain_of(a, true, pixels) > gain_of(b, true, pixels); });
    for (const index_t m : left) add(m);
  } else {
    while (static_cast<double>(covered) / static_cast<double>(n) <= options.area) {
      index_t best = -1;
      double most = -std::numeric_limits<double>::infinity();
      for (const index_t m : left) {
        index_t pixels;
        const double gain = gain_of(m, false, pixels);
        if (pixels >= options.min_pixels && gain > most) most = gain, best = m;
      }
      if (best < 0) break;
      add(best);
      left.erase(std::find(left.begin(), left.end(), best));
    }
  }
  index_t pixels;
  const double rest = gain_of(-1, false, pixels);
  std::vector<std::size_t> order(gains.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return gains[a] > gains[b]; });
  std::vector<std::int32_t> rank(gains.size());
  for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<std::int32_t>(i) + 1;
  for (std::size_t p = 0; p < attribution.size(); ++p) {
    const int r = region[p];
    map[p] = r < 0 ? rest : gains[static_cast<std::size_t>(r)];
    ranks[p] = r < 0 ? static_cast<std::int32_t>(gains.size()) + 1 : rank[static_cast<std::size_t>(r)];
  }
}

template <class T>
void regions_of(Random& random) {
  const Size shape = size(random, random.chance(0.05) ? 6000 : 400);
  const index_t n = shape.pixels(), count = random.chance(0.1) ? random.between(1, 60) : random.between(1, 12);
  const Masks masks = some_masks(random, shape, count);
  const index_t radius = random.chance(0.5) ? 0 : random.chance(0.1) ? random.between(1, 1000) : random.between(1, 6);
  xaijax::RegionOptions options;
  options.fast = random.chance(0.5);
  options.min_pixels = random.chance(0.5) ? 1 : random.between(1, n + 1);
  options.area = random.chance(0.6) ? 1.0 : random.unit() + 1e-9;
  const xaijax::Regions regions(masks.data(), count, shape.height, shape.width, radius);
  const Masks grown = radius > 0 && n <= 400 ? dilated(masks, shape, radius) : masks;

  const index_t items = random.between(1, 3);
  const bool whole = random.chance(0.5);
  std::vector<T> attribution;
  for (index_t i = 0; i < items; ++i) {
    auto map = values<T>(random, n);
    if (whole)
      for (T& v : map) v = static_cast<T>(random.between(-4, 4));
    attribution.insert(attribution.end(), map.begin(), map.end());
  }
  std::vector<std::int32_t> ranks(static_cast<std::size_t>(items * n));
  const auto maps = on_threads<double>(random, items, n, [&](index_t i, double* map) {
    regions.rank(attribution.data() + i * n, options, map, ranks.data() + i * n);
  });
  for (index_t i = 0; i < items; ++i) {
    const std::vector<T> values_in(attribution.data() + i * n, attribution.data() + (i + 1) * n);
    const std::vector<double> map(maps.data() + i * n, maps.data() + (i + 1) * n);
    const std::vector<std::int32_t> rank(ranks.data() + i * n, ranks.data() + (i + 1) * n);
    const std::int32_t last = *std::max_element(rank.begin(), rank.end());
    std::vector<double> level(static_cast<std::size_t>(last) + 1, 0.0), size_of(level);
    std::vector<long double> sum(level.size(), 0);
    for (std::size_t p = 0; p < rank.size(); ++p) {
      EXPECT(rank[p] >= 1 && rank[p] <= last);
      const auto r = static_cast<std::size_t>(rank[p]);
      EXPECT(size_of[r] == 0.0 || same_bits(level[r], map[p]));
      level[r] = map[p];
      sum[r] += values_in[p];
      ++size_of[r];
    }
    double largest = 0.0;
    for (const T v : values_in) largest = std::max(largest, std::abs(static_cast<double>(v)));
    const bool overflows = largest > static_cast<double>(std::numeric_limits<T>::max()) / static_cast<double>(2 * n);
    for (std::size_t r = 1; !overflows && r <= static_cast<std::size_t>(last); ++r) {
      EXPECT(size_of[r] > 0.0);
      const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
      const auto mean = static_cast<double>(sum[r] / static_cast<long double>(size_of[r]));
      EXPECT(near(level[r], mean, 16.0 * eps * largest + static_cast<double>(std::numeric_limits<T>::denorm_min())));
      EXPECT(r < 2 || r == static_cast<std::size_t>(last) || level[r] <= level[r - 1]);
    }
    if (!whole || n > 400) continue;
    std::vector<double> expected_map(map.size());
    std::vector<std::int32_t> expected_ranks(rank.size());
    by_definition(values_in, grown, count, options, expected_map, expected_ranks);
    EXPECT(map == expected_map && rank == expected_ranks);
  }
}

}  // namespace

void regions(Random& random) { random.chance(0.5) ? regions_of<float>(random) : regions_of<double>(random); }

}  // namespace fuzz
