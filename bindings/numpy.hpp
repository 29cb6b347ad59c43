// NumPy faces: arrays as operands, and the loop over threads. Nothing is converted or copied.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <vector>

#include "operand.hpp"
#include "registry.hpp"
#include "xaijax/parallel.hpp"

namespace xaijax::bindings {

namespace py = pybind11;

inline DType dtype_of(const py::dtype& dtype) {
  static constexpr struct {
    char kind;
    int size;
    DType dtype;
  } known[] = {{'b', 1, DType::boolean}, {'u', 1, DType::uint8},   {'u', 2, DType::uint16},
               {'i', 4, DType::int32},   {'u', 4, DType::uint32},  {'i', 8, DType::int64},
               {'u', 8, DType::uint64},  {'f', 4, DType::float32}, {'f', 8, DType::float64}};
  const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|';
  for (const auto& [kind, size, found] : known)
    if (native && dtype.kind() == kind && dtype.itemsize() == size) return found;
  return DType::other;
}

// The array must outlive the operand. Results are written to through it as well.
inline Operand operand(const py::array& array) {
  require((array.flags() & py::array::c_style) != 0, "arrays must be C-contiguous");
  return {dtype_of(array.dtype()), {array.shape(), array.shape() + array.ndim()}, const_cast<void*>(array.data())};
}

// One index for each item, as the Python face works them out; all below `bound`.
inline Items items_of(const py::array& array, index_t bound) {
  const Operand indices = operand(array);
  require(indices.dtype == DType::int64, "indices must be int64");
  Items items(indices.as<std::int64_t>(), indices.as<std::int64_t>() + indices.size());
  for (const index_t i : items) require(i >= 0 && i < bound, "an index is out of range");
  return items;
}

// For a face that has released the GIL.
inline Loop threads(int num_threads) {
  return [num_threads](index_t count, const Task& task) { parallel_for(count, num_threads, task); };
}

}  // namespace xaijax::bindings
