// How well a map points at a mask. m = mask, S = mm(relu(map)) (or mm(map)): scaled to [0, 1], an all-equal map to 0.
#pragma once

#include <cstdint>

#include "xaijax/views.hpp"

namespace xaijax {

// In the order of the output; the Python face has the same table.
enum class LocalizationScore : int {
  average_precision,  // sum over distinct values of (recall step) * precision, ties entering together
  roc_auc,            // P(in > out) + P(in = out)/2
  iou,                // of {S >= threshold}
  iou_top_k,          // of {values >= k-th largest}
  iou_otsu,           // of {S > Otsu's threshold, 256 bins}
  dice,               // of {S >= threshold}
  pointing_game,      // share of the largest pixels that lie within `tolerance` of the mask
  energy,             // sum_m S / sum S
  top_energy,         // the same over the top `percent` pixels
  top_precision,      // share of the top `percent` pixels inside m
  rank_accuracy,      // share of the |m| largest pixels inside m
  mass_accuracy,      // sum_m relu(map) / sum relu(map)
  centroid_distance,  // pixels between the centroid of S and that of m
  boundary_f1,        // overlap of the 2-pixel boundaries of {S >= threshold} and m
  count
};

constexpr int kLocalizationScores = static_cast<int>(LocalizationScore::count);

// Why a score is NaN.
enum class ScoreReason : std::uint8_t { none, empty_mask, full_mask, flat_map, not_finite };

struct LocalizationOptions {
  std::uint32_t wanted = (1u << kLocalizationScores) - 1;  // bit i asks for score i
  bool relu = true;
  double threshold = 0.5;
  double percent = 15.0;
  double tolerance = 0.0;  // pixels

  bool wants(LocalizationScore score) const { return (wanted >> static_cast<int>(score)) & 1u; }
};

// Writes the wanted scores and their reasons one after the other, in the order above. mask: nonzero is inside.
// T: float, double.
template <class T>
void localization_scores(MapView<const T> map, const std::uint8_t* mask, const LocalizationOptions& options,
                         double* scores, ScoreReason* reasons);

}  // namespace xaijax
