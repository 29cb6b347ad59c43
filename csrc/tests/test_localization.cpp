#include "xaijax/localization.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"

using xaijax::LocalizationOptions;
using xaijax::LocalizationScore;
using xaijax::ScoreReason;

namespace {

struct Scores {
  double value[xaijax::kLocalizationScores];
  ScoreReason reason[xaijax::kLocalizationScores];

  double operator[](LocalizationScore score) const { return value[static_cast<int>(score)]; }
  ScoreReason why(LocalizationScore score) const { return reason[static_cast<int>(score)]; }
};

template <class T>
Scores score(const std::vector<T>& map, const std::vector<std::uint8_t>& mask, xaijax::index_t height,
             LocalizationOptions options = {}) {
  Scores scores{};
  const auto width = static_cast<xaijax::index_t>(map.size()) / height;
  xaijax::localization_scores<T>({map.data(), height, width}, mask.data(), options, scores.value, scores.reason);
  return scores;
}

bool near(double a, double b) { return std::abs(a - b) < 1e-13; }

}  // namespace

template <class T>
void worked_example() {
  // 2 x 4; the mask is the left half. Values by hand.
  const std::vector<T> map{T(1), T(0.25), T(0.5), T(-1), T(0.75), T(0.25), T(0), T(0)};
  const std::vector<std::uint8_t> mask{1, 255, 0, 0, 1, 1, 0, 0};
  LocalizationOptions options;
  options.percent = 25.0;
  const Scores s = score(map, mask, 2, options);
  using S = LocalizationScore;
  // In falling order: in, in, out, {in, in}, zeros. AP = (1 + 1 + 2 * 4/5) / 4.
  CHECK(near(s[S::average_precision], (2.0 + 2.0 * 4.0 / 5.0) / 4.0));
  CHECK(near(s[S::roc_auc], (4.0 + 4.0 + 3.0 + 3.0) / 16.0));
  CHECK(near(s[S::iou], 2.0 / 5.0));
  CHECK(near(s[S::dice], 4.0 / 7.0));
  CHECK(near(s[S::iou_top_k], 2.0 / 4.0));
  CHECK(s[S::pointing_game] == 1.0);
  CHECK(near(s[S::energy], 2.25 / 2.75));
  CHECK(s[S::top_energy] == 1.0);
  CHECK(s[S::top_precision] == 1.0);
  CHECK(near(s[S::rank_accuracy], (2.0 + 2.0 * 0.5) / 4.0));
  CHECK(near(s[S::mass_accuracy], 2.25 / 2.75));
  const double x = (0.25 * 2 + 0.5 * 2) / 2.75, y = 1.0 / 2.75;
  CHECK(near(s[S::centroid_distance], std::hypot(x - 0.5, y - 0.5)));
}

int main() {
  using S = LocalizationScore;
  worked_example<float>();
  worked_example<double>();

  const std::vector<std::uint8_t> empty(8, 0), full(8, 1), some{1, 0, 0, 0, 0, 0, 0, 0};
  const std::vector<float> ramp{0, 1, 2, 3, 4, 5, 6, 7}, flat(8, -2.0f);
  for (int i = 0; i < xaijax::kLocalizationScores; ++i) {
    const auto s = static_cast<S>(i);
    CHECK(std::isnan(score(ramp, empty, 2)[s]) && score(ramp, empty, 2).why(s) == ScoreReason::empty_mask);
    auto broken = ramp;
    broken[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(score(broken, some, 2)[s]) && score(broken, some, 2).why(s) == ScoreReason::not_finite);
  }
  CHECK(score(ramp, full, 2)[S::average_precision] == 1.0);
  CHECK(score(ramp, full, 2).why(S::roc_auc) == ScoreReason::full_mask);
  CHECK(score(flat, some, 2).why(S::energy) == ScoreReason::flat_map);
  CHECK(score(flat, some, 2)[S::average_precision] == 0.125);
  CHECK(score(flat, some, 2)[S::pointing_game] == 0.125);

  // The largest pixel is 3 columns and 1 row from the mask: sqrt(10) px.
  LocalizationOptions options;
  options.tolerance = 3.1;
  CHECK(score(ramp, some, 2, options)[S::pointing_game] == 0.0);
  options.tolerance = 3.17;
  CHECK(score(ramp, some, 2, options)[S::pointing_game] == 1.0);

  // A map equal to its mask: everything is right.
  std::vector<double> exact(64, 0.0);
  std::vector<std::uint8_t> square(64, 0);
  for (int y = 2; y < 5; ++y)
    for (int x = 3; x < 6; ++x) exact[y * 8 + x] = 2.0, square[y * 8 + x] = 1;
  const Scores ideal = score(exact, square, 8);
  for (const S s : {S::average_precision, S::roc_auc, S::iou, S::iou_otsu, S::dice, S::pointing_game, S::energy,
                    S::rank_accuracy, S::mass_accuracy, S::boundary_f1})
    CHECK(ideal[s] == 1.0);
  CHECK(ideal[S::centroid_distance] == 0.0);

  // Ties that share the last places, all in the mask: 1, not 1 and a bit.
  for (std::size_t places = 1; places < 50; ++places) {
    std::vector<float> tied(50, 1.0f);
    for (std::size_t p = 0; p < places / 2; ++p) tied[p] = 2.0f;
    const std::vector<std::uint8_t> whole(50, 1);
    LocalizationOptions some_top;
    some_top.percent = 2.0 * static_cast<double>(places);
    CHECK(score(tied, whole, 5, some_top)[S::top_precision] == 1.0);
  }

  // Values that span all of double do not overflow.
  const std::vector<double> huge{-1.7e308, 1.7e308, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  options.relu = false;
  CHECK(std::isfinite(score(huge, some, 2, options)[S::energy]));
  return check::report();
}
