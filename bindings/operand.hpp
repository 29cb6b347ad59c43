// What both faces of a kernel share: arrays whose dtype and leading (batch) axes are known at run time. Each kernel has
// one function on operands; its NumPy face (numpy.hpp) and its XLA face (ffi.hpp) call that one. The Python face
// (xaijax/kernels) has checked everything and names what is wrong, so what is refused here is a bug.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "xaijax/parallel.hpp"
#include "xaijax/views.hpp"

namespace xaijax::bindings {

inline void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

enum class DType { boolean, uint8, uint16, int32, uint32, int64, uint64, float32, float64, other };

// A C-contiguous array that somebody else owns.
struct Operand {
  DType dtype = DType::other;
  std::vector<index_t> shape;
  void* data = nullptr;

  // Axes are counted from the end: axis(1) is the last.
  index_t axis(std::size_t back) const {
    require(back <= shape.size(), "an array has too few axes");
    return shape[shape.size() - back];
  }

  // All axes but the last `trailing`, and the number of items they count.
  std::vector<index_t> leading(std::size_t trailing) const {
    require(trailing <= shape.size(), "an array has too few axes");
    return {shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(trailing)};
  }
  index_t items(std::size_t trailing) const {
    const auto axes = leading(trailing);
    return std::accumulate(axes.begin(), axes.end(), index_t{1}, std::multiplies<>());
  }
  index_t size() const { return items(0); }

  // Whether the last `axes` axes are those of the other.
  bool ends_like(const Operand& other, std::size_t axes) const {
    return shape.size() >= axes && other.shape.size() >= axes &&
           std::equal(shape.end() - static_cast<std::ptrdiff_t>(axes), shape.end(),
                      other.shape.end() - static_cast<std::ptrdiff_t>(axes));
  }

  bool is_real() const { return dtype == DType::float32 || dtype == DType::float64; }
  bool is_mask() const { return dtype == DType::boolean || dtype == DType::uint8; }  // one byte a pixel

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }

  // Item i of [..., H, W, C] and of [..., H, W].
  template <class T>
  ImageView<const T> image(index_t i) const {
    const ImageView<const T> first{as<T>(), axis(3), axis(2), axis(1)};
    return {first.data + i * first.size(), first.height, first.width, first.channels};
  }
  template <class T>
  MapView<const T> map(index_t i) const {
    const MapView<const T> first{as<T>(), axis(2), axis(1)};
    return {first.data + i * first.size(), first.height, first.width};
  }

  // Writes a float64 result into a float32 or float64 array.
  void store(index_t i, double value) const {
    if (dtype == DType::float64)
      as<double>()[i] = value;
    else
      as<float>()[i] = static_cast<float>(value);
  }
};

// Calls body(T{}) with the C++ type of an array of images, or of maps.
template <class Body>
void for_image_type(const Operand& images, const Body& body) {
  switch (images.dtype) {
    case DType::uint8:
      return body(std::uint8_t{});
    case DType::uint16:
      return body(std::uint16_t{});
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    default:
      throw std::invalid_argument("images must be uint8, uint16, float32 or float64");
  }
}

template <class Body>
void for_map_type(const Operand& maps, const Body& body) {
  if (maps.dtype == DType::float32) return body(float{});
  if (maps.dtype == DType::float64) return body(double{});
  throw std::invalid_argument("maps must be float32 or float64");
}

// Which item of an operand belongs to each item of the result.
using Items = std::vector<index_t>;

inline index_t at(const Items& items, index_t i) { return items[static_cast<std::size_t>(i)]; }

// From the leading axes of an operand, for results with the leading axes `to`: aligned at the right, axes of length 1
// are repeated, as in NumPy. (jax.vmap with vmap_method="expand_dims" gives ones for the operands that are not mapped.)
inline Items broadcast(const std::vector<index_t>& from, const std::vector<index_t>& to) {
  require(from.size() <= to.size(), "leading axes do not broadcast");
  std::vector<index_t> stride(to.size(), 0);
  index_t items = 1;
  for (std::size_t back = 1; back <= from.size(); ++back) {
    const index_t length = from[from.size() - back];
    require(length == 1 || length == to[to.size() - back], "leading axes do not broadcast");
    stride[to.size() - back] = length == 1 ? 0 : items;
    items *= length;
  }
  Items item(static_cast<std::size_t>(std::accumulate(to.begin(), to.end(), index_t{1}, std::multiplies<>())));
  for (std::size_t i = 0; i < item.size(); ++i) {
    auto rest = static_cast<index_t>(i);
    for (std::size_t axis = to.size(); axis-- > 0; rest /= to[axis]) item[i] += rest % to[axis] * stride[axis];
  }
  return item;
}

// 0, 1, 2 ...: every result has an item of its own.
inline Items each_its_own(index_t count) {
  Items item(static_cast<std::size_t>(count));
  std::iota(item.begin(), item.end(), index_t{0});
  return item;
}

}  // namespace xaijax::bindings
