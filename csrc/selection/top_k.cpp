#include "xaijax/top_k.hpp"

#include <algorithm>
#include <limits>

#include "common/ordered.hpp"
#include "common/targets.hpp"
#include "selection/select.hpp"

namespace xaijax {

namespace {

template <class T>
inline void keep(const T* values, index_t size, T least, T* out) {
  for (index_t i = 0; i < size; ++i) out[i] = values[i] >= least ? values[i] : T(0);
}

XAIJAX_SIMD void keep_from(const float* values, index_t size, float least, float* out) {
  keep(values, size, least, out);
}
XAIJAX_SIMD void keep_from(const double* values, index_t size, double least, double* out) {
  keep(values, size, least, out);
}

}  // namespace

template <class T>
bool top_k_threshold(MapView<const T> map, double percent, T* out) {
  const index_t size = map.size();
  const auto kept = scratch<ordered_key_t<T>>(size);
  const auto cut = kth_largest_value(map.data, size, top_count(size, percent), kept.get());
  if (!cut) {
    std::fill_n(out, size, std::numeric_limits<T>::quiet_NaN());
    return false;
  }
  keep_from(map.data, size, ordered_value<T>(cut->key), out);
  return true;
}

template bool top_k_threshold(MapView<const float>, double, float*);
template bool top_k_threshold(MapView<const double>, double, double*);

}  // namespace xaijax
