// The one table of kernels: a line here, and bindings/<name>.cpp with its two faces; nothing else has to know. A kernel
// with a CUDA face has a line in the second table and its handler in bindings/cuda/handlers.cpp.
#pragma once

#include <pybind11/pybind11.h>

#include <type_traits>

struct XLA_FFI_CallFrame;
struct XLA_FFI_Error;

#define XAIJAX_KERNELS(X) \
  X(ebayes_threshold)     \
  X(histogram_entropy)    \
  X(localization_scores)  \
  X(mutual_information)   \
  X(random_mask)          \
  X(rank_regions)         \
  X(reveal)               \
  X(reveal_levels)        \
  X(similarity)           \
  X(top_k_threshold)

#define XAIJAX_CUDA_KERNELS(X) \
  X(histogram_entropy)         \
  X(mutual_information)        \
  X(reveal)                    \
  X(reveal_levels)             \
  X(top_k_threshold)

// The NumPy face of a kernel adds itself to the module; its XLA face is an FFI handler.
#define XAIJAX_DECLARE(name)              \
  namespace xaijax::bindings {            \
  void bind_##name(pybind11::module_& m); \
  }                                       \
  extern "C" XLA_FFI_Error* ffi_##name(XLA_FFI_CallFrame* frame);
XAIJAX_KERNELS(XAIJAX_DECLARE)
#undef XAIJAX_DECLARE

#define XAIJAX_DECLARE(name) extern "C" XLA_FFI_Error* cuda_ffi_##name(XLA_FFI_CallFrame* frame);
XAIJAX_CUDA_KERNELS(XAIJAX_DECLARE)
#undef XAIJAX_DECLARE

namespace xaijax::bindings {

void bind_build_info(pybind11::module_& m);

// Adds a handler to what ffi_targets() gives to jax.ffi.register_ffi_target, under the name "xaijax_<name>".
template <class Handler>
void add_target(pybind11::dict& targets, const char* name, Handler* handler) {
  static_assert(std::is_same_v<Handler, XLA_FFI_Error*(XLA_FFI_CallFrame*)>, "not an XLA FFI handler");
  targets[name] = pybind11::capsule(reinterpret_cast<void*>(handler), "xla._CUSTOM_CALL_TARGET");
}

}  // namespace xaijax::bindings
