// The CUDA module: handlers of the same names and attributes as the CPU's, for jax.ffi.register_ffi_target with
// platform "CUDA".
#include <pybind11/pybind11.h>

#include "registry.hpp"

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "XLA FFI targets of xaijax's CUDA kernels, by name.";
  m.def("ffi_targets", [] {
    pybind11::dict targets;
#define XAIJAX_ADD(name) xaijax::bindings::add_target(targets, "xaijax_" #name, &cuda_ffi_##name);
    XAIJAX_CUDA_KERNELS(XAIJAX_ADD)
#undef XAIJAX_ADD
    return targets;
  });
}
