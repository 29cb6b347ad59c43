#include "ffi/registry.hpp"
#include "numpy/bind.hpp"
#include "xaijax/simd.hpp"

#ifndef XAIJAX_COMPILER
#define XAIJAX_COMPILER "unknown"
#endif
#ifndef XAIJAX_FLAGS
#define XAIJAX_FLAGS "unknown"
#endif

namespace xaijax::bindings {

void bind_build_info(py::module_& m) {
  m.def("build_info", [] {
    py::dict info;
    info["compiler"] = XAIJAX_COMPILER;
    info["flags"] = XAIJAX_FLAGS;
    info["simd"] = simd_level();
    info["ffi_version"] = py::make_tuple(ffi_version().first, ffi_version().second);
    return info;
  });
}

}  // namespace xaijax::bindings
