#include "ffi/registry.hpp"

#include "xla/ffi/api/c_api.h"

namespace xaijax::bindings {

pybind11::dict ffi_targets() {
  pybind11::dict targets;
#define XAIJAX_ADD_HANDLER(name) \
  targets["xaijax_" #name] = pybind11::capsule(reinterpret_cast<void*>(&ffi_##name), "xla._CUSTOM_CALL_TARGET");
  XAIJAX_FFI_HANDLERS(XAIJAX_ADD_HANDLER)
#undef XAIJAX_ADD_HANDLER
  return targets;
}

std::pair<int, int> ffi_version() { return {XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR}; }

}  // namespace xaijax::bindings
