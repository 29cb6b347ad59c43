// Keep the values that are at least the k-th largest of a map, zero the rest.
#pragma once

#include <algorithm>

#include "xaijax/views.hpp"

namespace xaijax {

// How many pixels "the top `percent` of `size`" are: rounded up, at least one. The round-off of a percent that was
// computed from a count (100.0 * k / size) does not add a pixel.
inline index_t top_count(index_t size, double percent) {
  const double exact = percent * static_cast<double>(size) / 100.0 * (1.0 - 1e-12);
  auto count = static_cast<index_t>(exact);
  if (static_cast<double>(count) < exact) ++count;
  return std::min(std::max<index_t>(count, 1), size);
}

// k = the top `percent` of the pixels, rounded up, at least one; values tied with the k-th are kept. A map that holds
// NaN becomes NaN everywhere, and false is returned. T: float, double.
template <class T>
bool top_k_threshold(MapView<const T> map, double percent, T* out);

}  // namespace xaijax
