#include <pybind11/pybind11.h>

#include "registry.hpp"
#include "xaijax/simd.hpp"
#include "xla/ffi/api/c_api.h"

#ifndef XAIJAX_COMPILER
#define XAIJAX_COMPILER "unknown"
#endif
#ifndef XAIJAX_FLAGS
#define XAIJAX_FLAGS "unknown"
#endif

namespace xaijax::bindings {

void bind_build_info(pybind11::module_& m) {
  m.def("build_info", [] {
    pybind11::dict info;
    info["compiler"] = XAIJAX_COMPILER;
    info["flags"] = XAIJAX_FLAGS;
    info["simd"] = simd_level();
    // Of the headers that the handlers were built against.
    info["ffi_version"] = pybind11::make_tuple(XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR);
    return info;
  });
}

}  // namespace xaijax::bindings
