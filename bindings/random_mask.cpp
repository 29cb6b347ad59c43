#include "xaijax/random_mask.hpp"

#include "ffi.hpp"
#include "numpy.hpp"

namespace xaijax::bindings {

void bind_random_mask(py::module_& m) {
  m.def(
      "random_mask",
      [](index_t height, index_t width, index_t count, std::uint64_t seed) {
        py::array_t<bool> mask({height, width});
        bool* const out = mask.mutable_data();
        {
          const py::gil_scoped_release release;
          random_mask(height * width, count, seed, out);
        }
        return mask;
      },
      py::arg("height"), py::arg("width"), py::arg("count"), py::arg("seed"));
}

// seeds [...] of any integer dtype -> mask [..., H, W]; a negative seed is read as its 64-bit two's complement.
static ffi::Error random_mask_ffi(ffi::ThreadPool pool, ffi::AnyBuffer seeds, ffi::Result<ffi::AnyBuffer> masks,
                                  std::int64_t count) {
  return guarded([&] {
    const Operand given = operand(seeds), result = operand(*masks);
    require(result.dtype == DType::boolean, "masks must be bool [..., H, W]");
    const index_t pixels = result.axis(1) * result.axis(2);
    require(result.items(2) == given.size() && count <= pixels,
            "one seed for each mask, and no more true pixels than there are");
    const auto run = [&](auto zero) {
      using Seed = decltype(zero);
      pool_loop(pool)(given.size(), [&](index_t i) {
        const auto seed = static_cast<std::uint64_t>(given.as<Seed>()[i]);
        random_mask(pixels, count, seed, result.as<bool>() + i * pixels);
      });
    };
    switch (given.dtype) {
      case DType::int32:
        return run(std::int32_t{});
      case DType::uint32:
        return run(std::uint32_t{});
      case DType::int64:
        return run(std::int64_t{});
      case DType::uint64:
        return run(std::uint64_t{});
      default:
        throw std::invalid_argument("seeds must be int32, uint32, int64 or uint64");
    }
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_random_mask, xaijax::bindings::random_mask_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("count"));
