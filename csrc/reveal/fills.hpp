// The fills beside the linear one.
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/reveal.hpp"

namespace xaijax {

// Unknown pixels show `background`: one pixel, or an image of the same size.
template <class T>
void background_fill(ImageView<const T> image, const Levels& levels, ImageView<const T> background, T* out);

// The mean colour of an image, one value per channel: integers exact and rounded half to even, reals summed in float64.
template <class T>
std::vector<T> mean_colour(ImageView<const T> image);

// The image under a Gaussian of standard deviation sigma pixels, cut off at 4 sigma, mirrored at the sides so that the
// edge pixel is repeated. Computed in float64; integers rounded half to even. Flipping the image flips the result.
template <class T>
std::vector<T> gaussian_blur(ImageView<const T> image, double sigma);

}  // namespace xaijax
