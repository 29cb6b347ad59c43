// Shannon entropy of an image's histogram: H = -sum_k p_k log2 p_k, in bits.
// Bins and edges are those of np.histogram in the image's own dtype (histogram.hpp).
#pragma once

#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

// The interval the bins divide; from_image asks for the image's own minimum and maximum.
struct BinRange {
  bool from_image = true;
  double low = 0.0;
  double high = 0.0;
};

// The counts of one histogram over all channels together; values outside the range are not counted. Empty where
// there is none: NaN or infinity in the image, or a range that the dtype cannot divide into so many bins (where
// np.histogram refuses). A constant image is counted in the bin where np.histogram has it, and in the middle bin where
// np.histogram refuses. T: uint8_t, uint16_t, float, double.
template <class T>
std::vector<index_t> histogram(ImageView<const T> image, int bins, BinRange range);

// Base-2 entropy of that histogram; NaN where there is none or nothing lies in the range.
template <class T>
double histogram_entropy(ImageView<const T> image, int bins, BinRange range);

}  // namespace xaijax
