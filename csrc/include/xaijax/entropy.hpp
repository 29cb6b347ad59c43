// Shannon entropy of an image's histogram: H = -sum_k p_k log2 p_k, in bits.
// Bins and edges are those of np.histogram in the image's own dtype.
#pragma once

#include "xaijax/views.hpp"

namespace xaijax {

// The interval the bins divide; from_image asks for the image's own minimum and maximum.
struct BinRange {
  bool from_image = true;
  double low = 0.0;
  double high = 0.0;
};

// One image of one histogram over all channels together. Values outside the range are not counted.
// NaN or infinity in the image gives NaN. T: uint8_t, uint16_t, float, double.
template <class T>
double histogram_entropy(ImageView<const T> image, int bins, BinRange range);

}  // namespace xaijax
