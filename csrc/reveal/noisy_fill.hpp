// Noisy linear imputation of ROAD (Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution
// Methods", ICML 2022).
#pragma once

#include <cstdint>

#include "xaijax/reveal.hpp"

namespace xaijax {

// Unknown pixels solve x_p = sum_q w_q x_q / sum_q w_q over their neighbours q in the image, w 1/6 beside and 1/12
// diagonally, and then get Gaussian noise of standard deviation `noise` (in pixel values), a function of seed, pixel
// and channel alone. With no known pixel the solution is the mean colour. Integers are rounded and clipped to their
// range.
template <class T>
void noisy_linear_fill(ImageView<const T> image, const Levels& levels, double noise, std::uint64_t seed, T* out);

// The standard normal number of one pixel and channel: Box-Muller on two SplitMix64 hashes.
double pixel_noise(std::uint64_t seed, std::uint64_t index);

}  // namespace xaijax
