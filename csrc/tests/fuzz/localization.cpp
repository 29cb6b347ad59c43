// Localization scores: every one against its definition, with pairs of pixels compared one by one.
#include "xaijax/localization.hpp"

#include <functional>

#include "fuzz.hpp"
#include "xaijax/top_k.hpp"

namespace fuzz {

namespace {

using xaijax::LocalizationOptions;
using xaijax::ScoreReason;
using Score = xaijax::LocalizationScore;
constexpr int scores = xaijax::kLocalizationScores;

struct Scored {
  double value[scores];
  ScoreReason reason[scores];
};

using Set = std::vector<char>;

double overlap(const Set& a, const Set& b) {
  double both = 0, either = 0;
  for (std::size_t p = 0; p < a.size(); ++p) both += a[p] && b[p], either += a[p] || b[p];
  return both / either;
}

double share_in(const std::vector<double>& weight, const Set& inside) {
  long double in = 0, all = 0;
  for (std::size_t p = 0; p < weight.size(); ++p) {
    all += weight[p];
    if (inside[p]) in += weight[p];
  }
  return static_cast<double>(in / all);
}

Set edge_of(const Set& set, Size shape) {
  Set edge(set.size(), 0);
  for (index_t y = 0; y < shape.height; ++y)
    for (index_t x = 0; x < shape.width; ++x)
      for (const auto& [dy, dx] : {std::pair<index_t, index_t>{0, 1}, {0, -1}, {1, 0}, {-1, 0}}) {
        const index_t v = y + dy, u = x + dx;
        if (v < 0 || v >= shape.height || u < 0 || u >= shape.width) continue;
        const auto at = static_cast<std::size_t>(y * shape.width + x);
        if (set[at] != set[static_cast<std::size_t>(v * shape.width + u)]) edge[at] = 1;
      }
  return edge;
}

// How much of each pixel is among the k largest, ties sharing the last places.
template <class T>
std::vector<double> among_largest(const std::vector<T>& map, index_t k) {
  std::vector<T> sorted = map;
  std::sort(sorted.begin(), sorted.end(), std::greater<T>());
  const T cut = sorted[static_cast<std::size_t>(k - 1)];
  const double above = static_cast<double>(std::count_if(map.begin(), map.end(), [cut](T v) { return v > cut; }));
  const double tied = static_cast<double>(std::count(map.begin(), map.end(), cut));
  std::vector<double> part;
  for (const T v : map) part.push_back(v > cut ? 1.0 : v == cut ? (static_cast<double>(k) - above) / tied : 0.0);
  return part;
}

// Otsu's rule has equal variances now and then: any threshold whose variance is the best but for rounding will do.
bool otsu_overlap(const std::vector<double>& scaled, const Set& inside, double found) {
  constexpr int bins = 256;
  std::vector<double> variance(bins, -1.0);
  for (int cut = 0; cut + 1 < bins; ++cut) {
    long double n[2] = {}, sum[2] = {};
    for (const double s : scaled) {
      const int bin = std::min(static_cast<int>(s * bins), bins - 1), side = bin > cut;
      n[side] += 1;
      sum[side] += (bin + 0.5L) / bins;
    }
    const long double apart = sum[0] / n[0] - sum[1] / n[1];
    if (n[0] > 0 && n[1] > 0)
      variance[static_cast<std::size_t>(cut)] = static_cast<double>(n[0] * n[1] * apart * apart);
  }
  const double best = *std::max_element(variance.begin(), variance.end());
  for (int cut = 0; cut + 1 < bins; ++cut) {
    if (variance[static_cast<std::size_t>(cut)] < best * (1.0 - 1e-5)) continue;
    Set set;
    for (const double s : scaled) set.push_back(s > (cut + 0.5) / bins);
    if (near(overlap(set, inside), found, 1e-12)) return true;
  }
  return false;
}

template <class T>
void check(const std::vector<T>& map, const Set& inside, Size shape, const LocalizationOptions& options,
           const Scored& found) {
  const auto n = static_cast<index_t>(map.size());
  const index_t members = std::count(inside.begin(), inside.end(), 1);
  const auto value = [&](Score s) { return found.value[static_cast<int>(s)]; };
  const auto reason = [&](Score s) { return found.reason[static_cast<int>(s)]; };
  if (!all_finite(map) || members == 0) {
    const ScoreReason why = all_finite(map) ? ScoreReason::empty_mask : ScoreReason::not_finite;
    for (int s = 0; s < scores; ++s) EXPECT(std::isnan(found.value[s]) && found.reason[s] == why);
    return;
  }
  for (int s = 0; s < scores; ++s) {
    EXPECT(std::isnan(found.value[s]) == (found.reason[s] != ScoreReason::none));
    if (found.reason[s] != ScoreReason::none || s == static_cast<int>(Score::centroid_distance)) continue;
    EXPECT(found.value[s] >= 0.0 && found.value[s] <= 1.0);
  }
  std::vector<T> ranked = map;
  if (options.relu)
    for (T& v : ranked) v = std::max(v, T(0)) + T(0);
  const auto [least, most] = std::minmax_element(ranked.begin(), ranked.end());
  const long double low = *least, range = static_cast<long double>(*most) - low;
  const bool flat = range == 0;
  std::vector<double> scaled, positive;
  for (const T v : ranked) scaled.push_back(flat ? 0.0 : static_cast<double>((v - low) / range));
  const T highest = *std::max_element(map.begin(), map.end());
  for (const T v : map)
    positive.push_back(highest > 0 ? static_cast<double>(static_cast<long double>(std::max(v, T(0))) / highest) : 0.0);

  if (n <= 500) {
    double precision = 0.0, wins = 0.0;
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (!inside[i]) continue;
      double in = 0, out = 0;
      for (std::size_t j = 0; j < map.size(); ++j) {
        (inside[j] ? in : out) += ranked[j] >= ranked[i];
        if (!inside[j]) wins += ranked[i] > ranked[j] ? 1.0 : ranked[i] == ranked[j] ? 0.5 : 0.0;
      }
      precision += in / (in + out);
    }
    const double m = static_cast<double>(members), outside = static_cast<double>(n - members);
    EXPECT(near(value(Score::average_precision), precision / m, 1e-12));
    if (outside > 0) EXPECT(near(value(Score::roc_auc), wins / (m * outside), 1e-12));
    double all = 0, hits = 0;
    const T peak = *most;
    for (index_t i = 0; i < n; ++i) {
      if (ranked[static_cast<std::size_t>(i)] != peak) continue;
      bool hit = false;
      for (index_t j = 0; j < n; ++j) {
        const auto dy = static_cast<double>(i / shape.width - j / shape.width);
        const auto dx = static_cast<double>(i % shape.width - j % shape.width);
        hit |= inside[static_cast<std::size_t>(j)] && dy * dy + dx * dx <= options.tolerance * options.tolerance;
      }
      ++all;
      hits += hit;
    }
    EXPECT(value(Score::pointing_game) == hits / all);
  }
  EXPECT((reason(Score::roc_auc) == ScoreReason::full_mask) == (members == n));

  // The scaled value and the threshold can meet in the last bit: no check then.
  bool clear = true;
  Set over;
  for (const double s : scaled) {
    over.push_back(s >= options.threshold);
    clear &= std::abs(s - options.threshold) > 1e-12;
  }
  if (clear) {
    const double both = overlap(over, inside);
    EXPECT(near(value(Score::iou), both, 1e-12));
    EXPECT(near(value(Score::dice), 2.0 * both / (1.0 + both), 1e-12));
    const Set a = edge_of(over, shape), b = edge_of(inside, shape);
    double shared = 0, sum = 0;
    for (std::size_t p = 0; p < a.size(); ++p) shared += a[p] && b[p], sum += a[p] + b[p];
    if (members < n) EXPECT(near(value(Score::boundary_f1), 2.0 * shared / sum, 1e-12));
  }
  const auto top = among_largest(ranked, xaijax::top_count(n, options.percent));
  Set kept;
  for (const double part : top) kept.push_back(part > 0.0);
  EXPECT(near(value(Score::iou_top_k), overlap(kept, inside), 1e-12));
  EXPECT(near(value(Score::top_precision), share_in(top, inside), 1e-12));
  EXPECT(near(value(Score::rank_accuracy), share_in(among_largest(ranked, members), inside), 1e-12));
  for (const Score s : {Score::energy, Score::top_energy, Score::centroid_distance})
    EXPECT((reason(s) == ScoreReason::flat_map) == flat);
  EXPECT((reason(Score::mass_accuracy) == ScoreReason::flat_map) == (highest <= 0));
  if (highest > 0) EXPECT(near(value(Score::mass_accuracy), share_in(positive, inside), 1e-9));
  if (flat) {
    EXPECT(value(Score::iou_otsu) == 0.0);
    return;
  }
  EXPECT(near(value(Score::energy), share_in(scaled, inside), 1e-9));
  std::vector<double> weighted;
  for (std::size_t p = 0; p < top.size(); ++p) weighted.push_back(top[p] * scaled[p]);
  EXPECT(near(value(Score::top_energy), share_in(weighted, inside), 1e-9));
  if (n <= 500) EXPECT(otsu_overlap(scaled, inside, value(Score::iou_otsu)));
  long double total = 0, y = 0, x = 0, mask_y = 0, mask_x = 0;
  for (index_t p = 0; p < n; ++p) {
    const long double row = p / shape.width, column = p % shape.width, s = scaled[static_cast<std::size_t>(p)];
    total += s, y += s * row, x += s * column;
    if (inside[static_cast<std::size_t>(p)]) mask_y += row, mask_x += column;
  }
  const long double m = static_cast<long double>(members);
  const double distance = static_cast<double>(std::hypot(y / total - mask_y / m, x / total - mask_x / m));
  EXPECT(near(value(Score::centroid_distance), distance, 1e-8));
}

template <class T>
void localization_of(Random& random) {
  const Size shape = size(random, random.chance(0.05) ? 20000 : random.chance(0.3) ? 500 : 100);
  const index_t items = random.between(1, 3), n = shape.pixels();
  LocalizationOptions options;
  options.relu = random.chance(0.7);
  options.threshold = random.chance(0.5) ? 0.5 : random.unit();
  options.percent = random.chance(0.5) ? 15.0 : std::max(1e-3, 100.0 * random.unit());
  options.tolerance = random.chance(0.5) ? 0.0 : random.chance(0.1) ? 1e6 * random.unit() : 5.0 * random.unit();
  std::vector<T> maps;
  std::vector<std::uint8_t> masks;
  const double share = random.chance(0.1) ? 0.0 : random.chance(0.1) ? 1.0 : random.unit();
  for (index_t i = 0; i < items; ++i) {
    const auto map = values<T>(random, n, random.chance(0.05));
    maps.insert(maps.end(), map.begin(), map.end());
    const bool box = random.chance(0.5);
    const index_t top = random.below(shape.height), left = random.below(shape.width);
    for (index_t p = 0; p < n; ++p) {
      const bool in = box ? p / shape.width >= top && p % shape.width >= left : random.chance(share);
      masks.push_back(in ? static_cast<std::uint8_t>(random.between(1, 255)) : std::uint8_t{0});
    }
  }
  std::vector<ScoreReason> reasons(static_cast<std::size_t>(items * scores));
  const auto found = on_threads<double>(random, items, scores, [&](index_t i, double* out) {
    xaijax::localization_scores<T>({maps.data() + i * n, shape.height, shape.width}, masks.data() + i * n, options, out,
                                   reasons.data() + i * scores);
  });
  for (index_t i = 0; i < items; ++i) {
    const std::vector<T> map(maps.data() + i * n, maps.data() + (i + 1) * n);
    const std::vector<std::uint8_t> mask(masks.data() + i * n, masks.data() + (i + 1) * n);
    Set inside;
    for (const std::uint8_t v : mask) inside.push_back(v != 0);
    Scored scored;
    std::copy_n(found.data() + i * scores, scores, scored.value);
    std::copy_n(reasons.data() + i * scores, scores, scored.reason);
    check(map, inside, shape, options, scored);

    // Some of the scores alone are what all together give; a turned pair has the same scores.
    auto some = options;
    some.wanted = static_cast<std::uint32_t>(random.below(1 << scores));
    Scored other;
    xaijax::localization_scores<T>({map.data(), shape.height, shape.width}, mask.data(), some, other.value,
                                   other.reason);
    for (int s = 0, column = 0; s < scores; ++s) {
      if (!some.wants(static_cast<Score>(s))) continue;
      EXPECT(near(scored.value[s], other.value[column], 0.0) && scored.reason[s] == other.reason[column]);
      ++column;
    }
    const Turn turned = turn(random, shape);
    const auto turned_map = turned(map);
    const auto turned_mask = turned(mask);
    xaijax::localization_scores<T>({turned_map.data(), turned.after().height, turned.after().width}, turned_mask.data(),
                                   options, other.value, other.reason);
    for (int s = 0; s < scores; ++s) {
      const double tolerance = s == static_cast<int>(Score::centroid_distance) ? 1e-9 : 0.0;
      EXPECT(near(scored.value[s], other.value[s], tolerance) && scored.reason[s] == other.reason[s]);
    }
  }
}

}  // namespace

void localization(Random& random) {
  random.chance(0.5) ? localization_of<float>(random) : localization_of<double>(random);
}

}  // namespace fuzz
