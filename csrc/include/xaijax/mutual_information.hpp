// Mutual information of an image y with a reference x, in bits: I(x;y) = H(x) + H(y) - H(x,y), all three terms from
// one joint histogram per channel over the range of x in that channel, averaged over the channels.
//
// Edges are those of np.histogram of the reference's channel. Values of y outside the range of x count in the first
// or last bin: dropping them would drop their partners too, and H(x) would depend on y. So 0 <= I <= H(x), with
// I(x;x) = H(x). A channel in which x is constant contributes 0.
#pragma once

#include <memory>

#include "xaijax/views.hpp"

namespace xaijax {

// The largest number of bins per axis of a joint histogram.
constexpr int max_joint_bins = 1024;

// A reference with its bins, made once for all the images that are compared with it. Keeps no pointer to the
// reference. T: uint8_t, uint16_t, float, double.
template <class T>
class BinnedReference {
 public:
  BinnedReference(ImageView<const T> reference, int bins);

  // NaN where the reference or the image holds NaN or infinity, or where the reference's dtype cannot divide its
  // range into so many bins. The image has the shape of the reference.
  double mutual_information(ImageView<const T> image) const;

 private:
  class Bins;
  std::shared_ptr<const Bins> bins_;
};

}  // namespace xaijax
