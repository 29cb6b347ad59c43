// The CUDA module: handlers of the same names and attributes as the CPU's, for jax.ffi.register_ffi_target with
// platform "CUDA".
#include <pybind11/pybind11.h>

struct XLA_FFI_CallFrame;
struct XLA_FFI_Error;

#define XAIJAX_CUDA_HANDLERS(X) \
  X(histogram_entropy)          \
  X(mutual_information)         \
  X(reveal)                     \
  X(reveal_levels)              \
  X(top_k_threshold)

#define XAIJAX_DECLARE_HANDLER(name) extern "C" XLA_FFI_Error* cuda_ffi_##name(XLA_FFI_CallFrame* frame);
XAIJAX_CUDA_HANDLERS(XAIJAX_DECLARE_HANDLER)
#undef XAIJAX_DECLARE_HANDLER

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "XLA FFI targets of xaijax's CUDA kernels, by name.";
  m.def("ffi_targets", [] {
    pybind11::dict targets;
#define XAIJAX_ADD_HANDLER(name) \
  targets["xaijax_" #name] = pybind11::capsule(reinterpret_cast<void*>(&cuda_ffi_##name), "xla._CUSTOM_CALL_TARGET");
    XAIJAX_CUDA_HANDLERS(XAIJAX_ADD_HANDLER)
#undef XAIJAX_ADD_HANDLER
    return targets;
  });
}
