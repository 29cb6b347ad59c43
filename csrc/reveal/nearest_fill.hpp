// The nearest known pixels' mean (Voronoi cells; on a boundary all the nearest count alike).
#pragma once

#include "xaijax/reveal.hpp"

namespace xaijax {

// Unknown pixels take the mean over all known pixels at the smallest Euclidean distance, the corners being known:
// integers exact and rounded half to even, reals in float64. Sides up to 2^15 pixels.
template <class T>
void nearest_fill(ImageView<const T> image, const Levels& levels, T* out);

}  // namespace xaijax
