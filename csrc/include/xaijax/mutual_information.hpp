// Mutual information of an image y with a reference x, in bits: I(x;y) = H(x) + H(y) - H(x,y), all three terms from
// one joint histogram per channel over the range of x in that channel, averaged over the channels.
//
// Edges are those of np.histogram of the reference's channel. Values of y outside the range of x count in the first
// or last bin: dropping them would drop their partners too, and H(x) would depend on y. So 0 <= I <= H(x), with
// I(x;x) = H(x). A channel in which x is constant contributes 0.
#pragma once

#include <type_traits>
#include <vector>

#include "histogram/histogram.hpp"
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
  using E = typename EdgeOf<T>::type;
  struct Channel {
    bool constant = false;
    Binner<E> binner;                 // float and double
    std::vector<std::uint16_t> table;  // bin of every value: integers
  };

  void bin_channel(const Channel& channel, const T* values, index_t n, std::int32_t* out) const;
  double of_interleaved(ImageView<const T> image) const;

  // Integers in one or three channels are counted as they lie; anything else goes channel by channel.
  bool interleaved() const { return std::is_integral_v<T> && (channels_ == 1 || channels_ == 3); }

  std::size_t row_of(index_t pixel, index_t channel) const {
    return static_cast<std::size_t>(interleaved() ? pixel * channels_ + channel : channel * pixels_ + pixel);
  }

  index_t pixels_, channels_;
  int bins_;
  bool valid_ = true;
  std::vector<Channel> channel_;
  std::vector<std::uint16_t> rows_;  // bins of the reference, [pixels, channels] or [channels, pixels]
};

}  // namespace xaijax
