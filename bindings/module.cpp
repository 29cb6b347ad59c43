// The extension module: it only registers.
#include <pybind11/pybind11.h>

#include "ffi/registry.hpp"
#include "numpy/bind.hpp"

PYBIND11_MODULE(_core, m) {
  m.doc() = "Compiled kernels of xaijax: NumPy faces, and XLA FFI targets by name.";
  xaijax::bindings::bind_build_info(m);
  xaijax::bindings::bind_entropy(m);
  xaijax::bindings::bind_localization(m);
  xaijax::bindings::bind_levels(m);
  xaijax::bindings::bind_mutual_information(m);
  xaijax::bindings::bind_random_mask(m);
  xaijax::bindings::bind_regions(m);
  xaijax::bindings::bind_reveal(m);
  xaijax::bindings::bind_similarity(m);
  xaijax::bindings::bind_threshold(m);
  m.def("ffi_targets", &xaijax::bindings::ffi_targets, "XLA FFI handlers: name -> PyCapsule.");
}
