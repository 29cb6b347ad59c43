// The extension module: it only registers.
#include <pybind11/pybind11.h>

#include "registry.hpp"

namespace py = pybind11;
namespace bindings = xaijax::bindings;

static py::dict ffi_targets() {
  py::dict targets;
#define XAIJAX_ADD(name) bindings::add_target(targets, "xaijax_" #name, &ffi_##name);
  XAIJAX_KERNELS(XAIJAX_ADD)
#undef XAIJAX_ADD
  return targets;
}

// Kernels keep nothing between calls that two threads could write: Python without the GIL needs no lock here.
PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Compiled kernels of xaijax: NumPy faces, and XLA FFI targets by name.";
  bindings::bind_build_info(m);
#define XAIJAX_BIND(name) bindings::bind_##name(m);
  XAIJAX_KERNELS(XAIJAX_BIND)
#undef XAIJAX_BIND
  m.def("ffi_targets", &ffi_targets, "XLA FFI handlers: name -> PyCapsule.");
}
