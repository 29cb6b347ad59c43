// How alike two maps are: correlation of values, correlation of ranks, overlap of the largest pixels.
#pragma once

#include <cstdint>

#include "xaijax/views.hpp"

namespace xaijax {

// In the order of the output; the Python face has the same table.
enum class Similarity : int {
  spearman,  // Pearson correlation of ranks, ties having the mean of their ranks
  pearson,
  topk_iou,  // of {values >= k-th largest} of one map and of the other
  count
};

constexpr int kSimilarities = static_cast<int>(Similarity::count);

struct SimilarityOptions {
  std::uint32_t wanted = (1u << kSimilarities) - 1;  // bit i asks for measure i
  double percent = 10.0;                             // of the pixels, for topk_iou

  bool wants(Similarity measure) const { return (wanted >> static_cast<int>(measure)) & 1u; }
};

// Writes the wanted measures one after the other, in the order above. NaN where a map holds NaN or infinity, and for
// correlations of a constant map. T: float, double.
template <class T>
void similarity(MapView<const T> a, const T* b, const SimilarityOptions& options, double* measures);

}  // namespace xaijax
