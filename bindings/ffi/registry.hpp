// The one table of XLA FFI handlers. A kernel family adds its handlers to XAIJAX_FFI_HANDLERS and defines them in
// bindings/ffi/<family>.cpp; nothing else has to know.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

struct XLA_FFI_CallFrame;
struct XLA_FFI_Error;

#define XAIJAX_FFI_HANDLERS(X) \
  X(ebayes_threshold) \
  X(histogram_entropy) \
  X(localization_scores) \
  X(mutual_information) \
  X(random_mask) \
  X(rank_regions) \
  X(reveal) \
  X(reveal_levels) \
  X(similarity) \
  X(top_k_threshold) \
  /* one line for each handler, in alphabetical order */

#define XAIJAX_DECLARE_HANDLER(name) extern "C" XLA_FFI_Error* ffi_##name(XLA_FFI_CallFrame* frame);
XAIJAX_FFI_HANDLERS(XAIJAX_DECLARE_HANDLER)
#undef XAIJAX_DECLARE_HANDLER

namespace xaijax::bindings {

// name ("xaijax_histogram_entropy", ...) -> PyCapsule for jax.ffi.register_ffi_target.
pybind11::dict ffi_targets();

// Major and minor version of the FFI headers this extension was built against.
std::pair<int, int> ffi_version();

}  // namespace xaijax::bindings
