// At which fraction a pixel is revealed: fraction i reveals the pixels with S >= quantile(S, 1 - fractions[i]).
// The quantile is NumPy's "linear" one: position (n - 1) q in float64, interpolation in the map's own dtype.
#pragma once

#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

// quantile(S, 1 - fractions[i]) for every i. Selection, not sorting: O(n) and a little for every fraction.
// A map that holds NaN gives NaN. T: float, double.
template <class T>
std::vector<T> reveal_thresholds(MapView<const T> map, const std::vector<double>& fractions);

// levels: 0 where always (may be null) is true, else i + 1 for the first fraction i that reveals the pixel, else
// fractions.size() + 1. Nothing is revealed in a map that holds NaN, and false returned. At most 65533 fractions.
template <class T>
bool reveal_levels(MapView<const T> map, const std::vector<double>& fractions, const bool* always,
                   std::uint16_t* levels);

}  // namespace xaijax
