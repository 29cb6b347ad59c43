// The k-th largest of a set of ordered keys (ordered.hpp).
#pragma once

#include <optional>

#include "common/ordered.hpp"

namespace xaijax {

// What lies at the cut when the k largest of `size` keys are taken.
template <class Key>
struct Cut {
  Key key = 0;        // the k-th largest
  index_t above = 0;  // how many keys are larger than it
  index_t tied = 0;   // how many keys are equal to it
};

// 1 <= k <= size. `kept` is scratch of the same size; the keys are left as they are. Key: uint32_t, uint64_t.
template <class Key>
Cut<Key> kth_largest(const Key* keys, index_t size, index_t k, Key* kept);

// The same among the keys of values, which are not made for all of them; nothing where there is a NaN. T: float,
// double.
template <class T>
std::optional<Cut<ordered_key_t<T>>> kth_largest_value(const T* values, index_t size, index_t k,
                                                       ordered_key_t<T>* kept);

}  // namespace xaijax
