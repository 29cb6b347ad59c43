// Operands whose leading axes differ by ones: what jax.vmap with vmap_method="expand_dims" gives a handler when only
// some operands are mapped.
#pragma once

#include <vector>

#include "ffi/ffi.hpp"

namespace xaijax::bindings {

// For every index over the leading axes of `whole`, the number of the item of `part` that belongs to it. Empty when
// the leading axes are neither equal nor one.
inline std::vector<index_t> broadcast_items(ffi::AnyBuffer::Dimensions whole, ffi::AnyBuffer::Dimensions part,
                                            std::size_t whole_trailing, std::size_t part_trailing) {
  const std::size_t axes = whole.size() - whole_trailing;
  if (part.size() < part_trailing || part.size() - part_trailing != axes) return {};
  std::vector<index_t> stride(axes, 0);
  index_t items = 1;
  for (std::size_t axis = axes; axis-- > 0;) {
    if (part[axis] != whole[axis] && part[axis] != 1) return {};
    stride[axis] = part[axis] == 1 ? 0 : items;
    items *= part[axis];
  }
  std::vector<index_t> item(static_cast<std::size_t>(leading(whole, whole_trailing)), 0);
  for (std::size_t i = 0; i < item.size(); ++i) {
    auto rest = static_cast<index_t>(i);
    for (std::size_t axis = axes; axis-- > 0; rest /= whole[axis]) item[i] += rest % whole[axis] * stride[axis];
  }
  return item;
}

// Calls body(T{}) with the C++ type of a map buffer's dtype.
template <class Body>
ffi::Error for_map_dtype(ffi::DataType dtype, const Body& body) {
  switch (dtype) {
    case ffi::DataType::F32:
      return body(float{});
    case ffi::DataType::F64:
      return body(double{});
    default:
      return ffi::Error::InvalidArgument("maps must be float32 or float64");
  }
}

// Masks are one byte a pixel: bool or uint8.
inline bool is_mask(ffi::DataType dtype) { return dtype == ffi::DataType::PRED || dtype == ffi::DataType::U8; }

}  // namespace xaijax::bindings
