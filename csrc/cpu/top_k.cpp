#include "xaijax/top_k.hpp"

#include <algorithm>
#include <limits>

#include "xaijax/ordered.hpp"
#include "xaijax/select.hpp"
#include "xaijax/simd.hpp"

namespace xaijax {

namespace {

// Keys of all values. NaN has keys above that of infinity or below that of minus infinity.
template <class T>
inline bool make_keys(const T* values, index_t size, ordered_key_t<T>* keys) {
  using Key = ordered_key_t<T>;
  const Key low = ordered_key(-std::numeric_limits<T>::infinity());
  const Key high = ordered_key(std::numeric_limits<T>::infinity());
  Key bad = 0;
  for (index_t i = 0; i < size; ++i) {
    const Key key = ordered_key(values[i]);
    keys[i] = key;
    bad |= static_cast<Key>(key < low) | static_cast<Key>(key > high);
  }
  return bad == 0;
}

template <class T>
inline void keep(const T* values, index_t size, T least, T* out) {
  for (index_t i = 0; i < size; ++i) out[i] = values[i] >= least ? values[i] : T(0);
}

XAIJAX_SIMD bool keys_of(const float* values, index_t size, std::uint32_t* keys) {
  return make_keys(values, size, keys);
}
XAIJAX_SIMD bool keys_of(const double* values, index_t size, std::uint64_t* keys) {
  return make_keys(values, size, keys);
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
  using Key = ordered_key_t<T>;
  const index_t size = map.size();
  const auto keys = scratch<Key>(size), kept = scratch<Key>(size);
  if (!keys_of(map.data, size, keys.get())) {
    std::fill_n(out, size, std::numeric_limits<T>::quiet_NaN());
    return false;
  }
  const Cut<Key> cut = kth_largest(keys.get(), size, top_count(size, percent), kept.get());
  keep_from(map.data, size, ordered_value<T>(cut.key), out);
  return true;
}

template bool top_k_threshold(MapView<const float>, double, float*);
template bool top_k_threshold(MapView<const double>, double, double*);

}  // namespace xaijax
