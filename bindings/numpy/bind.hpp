// One bind_* function per kernel family, and the conversions they share. Arguments arrive validated: the Python face
// (xaijax/kernels) has checked shapes, dtypes and contiguity, so a mismatch here is a bug and throws.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <vector>

#include "xaijax/parallel.hpp"
#include "xaijax/views.hpp"

namespace xaijax::bindings {

namespace py = pybind11;

void bind_build_info(py::module_& m);
void bind_entropy(py::module_& m);
void bind_localization(py::module_& m);
void bind_levels(py::module_& m);
void bind_mutual_information(py::module_& m);
void bind_random_mask(py::module_& m);
void bind_regions(py::module_& m);
void bind_reveal(py::module_& m);
void bind_similarity(py::module_& m);
void bind_threshold(py::module_& m);

// A C-contiguous array of exactly this dtype; nothing is converted or copied.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
index_t leading(const Array<T>& array, int trailing) {
  index_t count = 1;
  for (py::ssize_t axis = 0; axis + trailing < array.ndim(); ++axis) count *= array.shape(axis);
  return count;
}

template <class T>
std::vector<index_t> leading_axes(const Array<T>& array, int trailing) {
  return std::vector<index_t>(array.shape(), array.shape() + array.ndim() - trailing);
}

template <class T>
std::vector<py::ssize_t> leading_shape(const Array<T>& array, int trailing) {
  return std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim() - trailing);
}

// Image number i of a [..., H, W, C] array.
template <class T>
ImageView<const T> image_at(const Array<T>& images, index_t i) {
  const auto n = images.ndim();
  if (n < 3) throw std::invalid_argument("images must be [..., H, W, C]");
  ImageView<const T> view{nullptr, images.shape(n - 3), images.shape(n - 2), images.shape(n - 1)};
  view.data = images.data() + i * view.size();
  return view;
}

}  // namespace xaijax::bindings
