// The values at given ranks, by counting instead of sorting.
#pragma once

#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

// The values[0..n) of the given ranks, 0 being that of the smallest: ranks ascending, without repeats, below n. Empty
// when there is a NaN. O(n), and a little for every rank. T: float, double.
template <class T>
std::vector<T> order_statistics(const T* values, index_t n, const std::vector<index_t>& ranks);

}  // namespace xaijax
