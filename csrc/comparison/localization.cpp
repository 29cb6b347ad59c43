#include "xaijax/localization.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/exact_sum.hpp"
#include "common/ordered.hpp"
#include "common/targets.hpp"
#include "selection/select.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax {

namespace {

using Score = LocalizationScore;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Value {
  double score;
  ScoreReason reason = ScoreReason::none;
};

double share(index_t part, index_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

double iou(index_t both, index_t predicted, index_t inside) { return share(both, predicted + inside - both); }

// Counts of a set of pixels: all of them, and those inside the mask.
struct Members {
  index_t all = 0, inside = 0;
};

template <class Test>
Members count(const std::uint8_t* mask, index_t size, const Test& test) {
  Members members;
  for (index_t i = 0; i < size; ++i) {
    const bool in = test(i);
    members.all += in;
    members.inside += in & (mask[i] != 0);
  }
  return members;
}

// Sums of terms in [0, 1], over all pixels and over the mask; `weight(i)` false leaves a pixel out.
struct Mass {
  ExactSum all, inside;
};

template <class Term, class Test>
Mass mass(const std::uint8_t* mask, index_t size, const Term& term, const Test& test) {
  Mass sums;
  for (index_t start = 0; start < size; start += ExactSum::block) {
    const index_t end = std::min(size, start + ExactSum::block);
    std::uint64_t all = 0, inside = 0;
    for (index_t i = start; i < end; ++i) {
      const std::uint64_t q = fixed_point(term(i)) & (std::uint64_t(0) - static_cast<std::uint64_t>(test(i)));
      all += q;
      inside += q & (std::uint64_t(0) - static_cast<std::uint64_t>(mask[i] != 0));
    }
    sums.all.add(all);
    sums.inside.add(inside);
  }
  return sums;
}

// Otsu's threshold of values in [0, 1] that reach both ends, as scikit-image has it: 256 bins, class weights in
// float32, the first of equal variances, the bin's centre.
XAIJAX_SCALAR double otsu_threshold(const double* scaled, index_t size) {
  constexpr int bins = 256;
  index_t counts[bins] = {};
  for (index_t i = 0; i < size; ++i) ++counts[std::min(static_cast<int>(scaled[i] * bins), bins - 1)];
  const auto centre = [](int bin) { return (bin + 0.5) / bins; };
  float upper_weight[bins + 1] = {};
  double upper_sum[bins + 1] = {};
  for (int bin = bins - 1; bin >= 0; --bin) {
    const auto n = static_cast<float>(counts[bin]);
    upper_weight[bin] = upper_weight[bin + 1] + n;
    upper_sum[bin] = upper_sum[bin + 1] + static_cast<double>(n) * centre(bin);
  }
  float weight = 0.0f;
  double sum = 0.0, best = -1.0, threshold = 0.0;
  for (int bin = 0; bin + 1 < bins; ++bin) {
    const auto n = static_cast<float>(counts[bin]);
    weight += n;
    sum += static_cast<double>(n) * centre(bin);
    const double apart = sum / weight - upper_sum[bin + 1] / upper_weight[bin + 1];
    const double variance = static_cast<double>(weight * upper_weight[bin + 1]) * (apart * apart);
    if (variance > best) {
      best = variance;
      threshold = centre(bin);
    }
  }
  return threshold;
}

// A pixel is on a boundary when one of its four neighbours is on the other side: a straight edge is 2 pixels thick.
XAIJAX_SCALAR void boundary(const std::uint8_t* set, index_t height, index_t width, std::uint8_t* edge) {
  std::fill_n(edge, height * width, std::uint8_t{0});
  for (index_t y = 0; y < height; ++y) {
    const std::uint8_t* row = set + y * width;
    std::uint8_t* out = edge + y * width;
    for (index_t x = 0; x + 1 < width; ++x) {
      const auto differs = static_cast<std::uint8_t>(row[x] ^ row[x + 1]);
      out[x] |= differs;
      out[x + 1] |= differs;
    }
    if (y + 1 == height) break;
    for (index_t x = 0; x < width; ++x) {
      const auto differs = static_cast<std::uint8_t>(row[x] ^ row[x + width]);
      out[x] |= differs;
      out[x + width] |= differs;
    }
  }
}

// One map against one mask. What several scores need is made once, when the first of them asks.
template <class T>
class Scorer {
 public:
  using Key = ordered_key_t<T>;

  Scorer(MapView<const T> map, const std::uint8_t* mask, const LocalizationOptions& options)
      : map_(map), mask_(mask), options_(options), size_(map.size()) {
    index_t inside = 0;
    for (index_t i = 0; i < size_; ++i) inside += mask[i] != 0;
    inside_ = inside;
    finite_ = all_finite(map.data, size_);
    if (!options.relu) floor_ = -std::numeric_limits<T>::infinity();
  }

  Value operator()(Score score) {
    if (!finite_) return {kNaN, ScoreReason::not_finite};
    if (inside_ == 0) return {kNaN, ScoreReason::empty_mask};
    switch (score) {
      case Score::average_precision:
        rank();
        return {average_precision_};
      case Score::roc_auc:
        if (inside_ == size_) return {kNaN, ScoreReason::full_mask};
        rank();
        return {roc_auc_};
      case Score::iou: {
        const Members set = at_threshold();
        return {iou(set.inside, set.all, inside_)};
      }
      case Score::dice: {
        const Members set = at_threshold();
        return {share(2 * set.inside, set.all + inside_)};
      }
      case Score::iou_top_k: {
        const Top& top = top_percent();
        return {iou(top.above_inside + top.tied_inside, top.cut.above + top.cut.tied, inside_)};
      }
      case Score::iou_otsu:
        return {iou_otsu()};
      case Score::pointing_game:
        return {pointing_game()};
      case Score::energy:
        return energy([](index_t) { return true; });
      case Score::top_energy:
        return top_energy();
      case Score::top_precision:
        return {precision(top_percent())};
      case Score::rank_accuracy:
        return {precision(top(inside_))};
      case Score::mass_accuracy:
        return mass_accuracy();
      case Score::centroid_distance:
        return centroid_distance();
      case Score::boundary_f1:
        return boundary_f1();
      case Score::count:
        break;
    }
    return {kNaN, ScoreReason::none};
  }

 private:
  struct Top {
    Cut<Key> cut;
    index_t above_inside = 0, tied_inside = 0;
    index_t wanted = 0;
  };

  T value(index_t i) const {
    const T v = map_.data[i];
    return v > floor_ ? v : floor_;
  }

  const Key* keys() {
    if (keys_) return keys_.get();
    keys_ = scratch<Key>(size_);
    spare_ = scratch<Key>(size_);
    for (index_t i = 0; i < size_; ++i) keys_[i] = ordered_key(value(i));
    return keys_.get();
  }

  void extremes() {
    if (have_extremes_) return;
    Key low = ordered_key(value(0)), high = low;
    for (index_t i = 1; i < size_; ++i) {
      const Key key = ordered_key(value(i));  // integers, because a minimum of them vectorises
      low = std::min(low, key);
      high = std::max(high, key);
    }
    low_ = static_cast<double>(ordered_value<T>(low));
    high_ = static_cast<double>(ordered_value<T>(high));
    have_extremes_ = true;
  }

  bool flat() {
    extremes();
    return low_ == high_;
  }

  // S. Halves keep the range finite for maps that use all of double.
  const double* scaled() {
    if (scaled_) return scaled_.get();
    extremes();
    scaled_ = scratch<double>(size_);
    const double range = high_ - low_;
    if (range == 0.0) {
      std::fill_n(scaled_.get(), size_, 0.0);
    } else if (std::isfinite(range)) {
      for (index_t i = 0; i < size_; ++i) scaled_[i] = (static_cast<double>(value(i)) - low_) / range;
    } else {
      const double half = high_ / 2 - low_ / 2;
      for (index_t i = 0; i < size_; ++i) scaled_[i] = (static_cast<double>(value(i)) / 2 - low_ / 2) / half;
    }
    return scaled_.get();
  }

  const Members& at_threshold() {
    if (have_thresholded_) return thresholded_;
    const double* s = scaled();
    thresholded_ = count(mask_, size_, [&](index_t i) { return s[i] >= options_.threshold; });
    have_thresholded_ = true;
    return thresholded_;
  }

  Top top(index_t wanted) {
    const Key* key = keys();
    Top top;
    top.wanted = wanted;
    top.cut = kth_largest(key, size_, wanted, spare_.get());
    const Key at = top.cut.key;
    for (index_t i = 0; i < size_; ++i) {
      const bool in = mask_[i] != 0;
      top.above_inside += in & (key[i] > at);
      top.tied_inside += in & (key[i] == at);
    }
    return top;
  }

  const Top& top_percent() {
    if (top_.wanted == 0) top_ = top(top_count(size_, options_.percent));
    return top_;
  }

  // Pixels tied at the cut fill the places that are left in equal parts: the mean over all ways to break the tie.
  static double tied_part(const Top& top) { return share(top.wanted - top.cut.above, top.cut.tied); }

  // In integers: a mask that holds all of them has exactly 1.
  static double precision(const Top& top) {
    return share(top.above_inside * top.cut.tied + top.tied_inside * (top.wanted - top.cut.above),
                 top.wanted * top.cut.tied);
  }

  // Average precision and area under the ROC curve. Only the values of the mask are places where recall steps, so
  // pixels outside need sorting only between the mask's extremes; and those equal to its smallest value (after ReLU
  // often a large part of the map) need only counting.
  XAIJAX_SCALAR void rank() {
    if (ranked_) return;
    ranked_ = true;
    const Key* key = keys();
    Key low = ~Key(0), high = 0;
    for (index_t i = 0; i < size_; ++i) {
      const Key in = Key(0) - static_cast<Key>(mask_[i] != 0);
      low = std::min(low, key[i] | ~in);
      high = std::max(high, key[i] & in);
    }
    const index_t outside = size_ - inside_;
    // A slot more than there are keys: what is not kept is written behind the last that is.
    const auto positives = scratch<Key>(inside_ + 1), negatives = scratch<Key>(outside + 1);
    index_t p = 0, n = 0, larger = 0, lowest = 0;
    for (index_t i = 0; i < size_; ++i) {
      const Key k = key[i];
      const bool in = mask_[i] != 0;
      positives[p] = k;
      negatives[n] = k;
      p += in & (k > low);
      n += !in & (k > low) & (k <= high);
      larger += !in & (k > high);
      lowest += !in & (k == low);
    }
    sort_keys(positives.get(), spare_.get(), p);
    sort_keys(negatives.get(), spare_.get(), n);

    // From the largest value down; a group of equal values enters at once.
    index_t true_positives = 0, false_positives = larger;
    double precision_sum = 0.0, wins = 0.0;
    const auto enter = [&](index_t group, index_t tied) {
      const index_t smaller = outside - false_positives - tied;
      wins += static_cast<double>(group) * (static_cast<double>(smaller) + 0.5 * static_cast<double>(tied));
      true_positives += group;
      false_positives += tied;
      precision_sum += static_cast<double>(group) * share(true_positives, true_positives + false_positives);
    };
    for (index_t i = p, j = n; i > 0;) {
      const Key at = positives[i - 1];
      index_t group = 0, tied = 0;
      for (; i > 0 && positives[i - 1] == at; --i) ++group;
      for (; j > 0 && negatives[j - 1] > at; --j) ++false_positives;
      for (; j > 0 && negatives[j - 1] == at; --j) ++tied;
      enter(group, tied);
    }
    false_positives = larger + n;
    enter(inside_ - p, lowest);
    average_precision_ = precision_sum / static_cast<double>(inside_);
    if (outside > 0) roc_auc_ = wins / (static_cast<double>(inside_) * static_cast<double>(outside));
  }

  double iou_otsu() {
    if (flat()) return 0.0;
    const double* s = scaled();
    const double threshold = otsu_threshold(s, size_);
    const Members set = count(mask_, size_, [&](index_t i) { return s[i] > threshold; });
    return iou(set.inside, set.all, inside_);
  }

  double pointing_game() {
    extremes();
    const T highest = static_cast<T>(high_);
    if (options_.tolerance > 0.0) return pointing_game_within(highest);
    const Members largest = count(mask_, size_, [&](index_t i) { return value(i) == highest; });
    return share(largest.inside, largest.all);
  }

  XAIJAX_SCALAR double pointing_game_within(T highest) const {
    const index_t height = map_.height, width = map_.width;
    const double reach = options_.tolerance * options_.tolerance;
    const auto rows = static_cast<index_t>(std::min(options_.tolerance, static_cast<double>(height)));
    // Distance along the row to the nearest mask pixel; far where the row has none.
    const double far = std::numeric_limits<double>::infinity();
    const auto along = scratch<double>(size_);
    for (index_t y = 0; y < height; ++y) {
      const std::uint8_t* row = mask_ + y * width;
      double* distance = along.get() + y * width;
      double d = far;
      for (index_t x = 0; x < width; ++x) distance[x] = d = row[x] != 0 ? 0.0 : d + 1.0;
      d = far;
      for (index_t x = width - 1; x >= 0; --x) distance[x] = std::min(distance[x], d = row[x] != 0 ? 0.0 : d + 1.0);
    }
    index_t all = 0, hits = 0;
    for (index_t y = 0; y < height; ++y) {
      for (index_t x = 0; x < width; ++x) {
        if (value(y * width + x) != highest) continue;
        ++all;
        bool hit = false;
        for (index_t v = std::max<index_t>(0, y - rows); !hit && v <= std::min(height - 1, y + rows); ++v) {
          const double down = static_cast<double>(v - y), d = along[v * width + x];
          hit = d * d + down * down <= reach;
        }
        hits += hit;
      }
    }
    return share(hits, all);
  }

  template <class Test>
  Value energy(const Test& test) {
    if (flat()) return {kNaN, ScoreReason::flat_map};
    const double* s = scaled();
    const Mass sums = mass(
        mask_, size_, [s](index_t i) { return s[i]; }, test);
    return {sums.inside.value() / sums.all.value()};
  }

  Value top_energy() {
    if (flat()) return {kNaN, ScoreReason::flat_map};
    const Top& top = top_percent();
    const Key* key = keys();
    const double* s = scaled();
    const Key at = top.cut.key;
    const auto term = [s](index_t i) { return s[i]; };
    const Mass above = mass(mask_, size_, term, [key, at](index_t i) { return key[i] > at; });
    const Mass tied = mass(mask_, size_, term, [key, at](index_t i) { return key[i] == at; });
    const double part = tied_part(top);
    return {(above.inside.value() + part * tied.inside.value()) / (above.all.value() + part * tied.all.value())};
  }

  Value mass_accuracy() {
    extremes();
    if (high_ <= 0.0) return {kNaN, ScoreReason::flat_map};
    const double high = high_;
    const T* data = map_.data;
    const Mass sums = mass(
        mask_, size_, [data, high](index_t i) { return static_cast<double>(data[i] > T(0) ? data[i] : T(0)) / high; },
        [](index_t) { return true; });
    return {sums.inside.value() / sums.all.value()};
  }

  XAIJAX_SCALAR Value centroid_distance() {
    if (flat()) return {kNaN, ScoreReason::flat_map};
    const double* s = scaled();
    std::vector<double> columns(static_cast<std::size_t>(map_.width), 0.0);
    std::vector<index_t> mask_columns(static_cast<std::size_t>(map_.width), 0);
    double total = 0.0, y_sum = 0.0, x_sum = 0.0, mask_y = 0.0, mask_x = 0.0;
    for (index_t y = 0; y < map_.height; ++y) {
      double row = 0.0;
      index_t mask_row = 0;
      for (index_t x = 0; x < map_.width; ++x) {
        const index_t i = y * map_.width + x;
        row += s[i];
        columns[static_cast<std::size_t>(x)] += s[i];
        mask_row += mask_[i] != 0;
        mask_columns[static_cast<std::size_t>(x)] += mask_[i] != 0;
      }
      total += row;
      y_sum += row * static_cast<double>(y);
      mask_y += static_cast<double>(mask_row) * static_cast<double>(y);
    }
    for (index_t x = 0; x < map_.width; ++x) {
      x_sum += columns[static_cast<std::size_t>(x)] * static_cast<double>(x);
      mask_x += static_cast<double>(mask_columns[static_cast<std::size_t>(x)]) * static_cast<double>(x);
    }
    const auto inside = static_cast<double>(inside_);
    return {std::hypot(y_sum / total - mask_y / inside, x_sum / total - mask_x / inside)};
  }

  Value boundary_f1() {
    if (inside_ == size_) return {kNaN, ScoreReason::full_mask};
    const double* s = scaled();
    const auto set = scratch<std::uint8_t>(size_);
    const auto edge = scratch<std::uint8_t>(size_), other = scratch<std::uint8_t>(size_);
    for (index_t i = 0; i < size_; ++i) set[i] = mask_[i] != 0;
    boundary(set.get(), map_.height, map_.width, edge.get());
    for (index_t i = 0; i < size_; ++i) set[i] = s[i] >= options_.threshold;
    boundary(set.get(), map_.height, map_.width, other.get());
    index_t both = 0, sum = 0;
    for (index_t i = 0; i < size_; ++i) {
      both += edge[i] & other[i];
      sum += edge[i] + other[i];
    }
    return {share(2 * both, sum)};
  }

  MapView<const T> map_;
  const std::uint8_t* mask_;
  const LocalizationOptions& options_;
  index_t size_, inside_ = 0;
  bool finite_ = true, have_extremes_ = false, have_thresholded_ = false, ranked_ = false;
  T floor_ = T(0);  // 0 is the ReLU
  double low_ = 0.0, high_ = 0.0, average_precision_ = kNaN, roc_auc_ = kNaN;
  Members thresholded_;
  Top top_;
  std::unique_ptr<Key[]> keys_, spare_;
  std::unique_ptr<double[]> scaled_;
};

template <class T>
void score_all(MapView<const T> map, const std::uint8_t* mask, const LocalizationOptions& options, double* scores,
               ScoreReason* reasons) {
  Scorer<T> scorer(map, mask, options);
  int written = 0;
  for (int i = 0; i < kLocalizationScores; ++i) {
    const auto score = static_cast<Score>(i);
    if (!options.wants(score)) continue;
    const Value value = scorer(score);
    scores[written] = value.score;
    reasons[written++] = value.reason;
  }
}

// Functions, not specialisations of the template below: clang compiles those for one instruction set only.
XAIJAX_SIMD XAIJAX_FLATTEN void scores_of(MapView<const float> map, const std::uint8_t* mask,
                                          const LocalizationOptions& options, double* scores, ScoreReason* reasons) {
  score_all(map, mask, options, scores, reasons);
}
XAIJAX_SIMD XAIJAX_FLATTEN void scores_of(MapView<const double> map, const std::uint8_t* mask,
                                          const LocalizationOptions& options, double* scores, ScoreReason* reasons) {
  score_all(map, mask, options, scores, reasons);
}

}  // namespace

template <class T>
void localization_scores(MapView<const T> map, const std::uint8_t* mask, const LocalizationOptions& options,
                         double* scores, ScoreReason* reasons) {
  scores_of(map, mask, options, scores, reasons);
}

template void localization_scores(MapView<const float>, const std::uint8_t*, const LocalizationOptions&, double*,
                                  ScoreReason*);
template void localization_scores(MapView<const double>, const std::uint8_t*, const LocalizationOptions&, double*,
                                  ScoreReason*);

}  // namespace xaijax
