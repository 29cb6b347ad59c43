// Keep the values that are at least the k-th largest of a map, zero the rest.
#pragma once

#include "xaijax/views.hpp"

namespace xaijax {

// k = the top `percent` of the pixels, rounded up, at least one; values tied with the k-th are kept. A map that holds
// NaN becomes NaN everywhere, and false is returned. T: float, double.
template <class T>
bool top_k_threshold(MapView<const T> map, double percent, T* out);

}  // namespace xaijax
