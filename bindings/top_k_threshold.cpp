#include <optional>

#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax::bindings {

// `broken`, where it is given, gets 1 for each map that holds NaN.
static void top_k_threshold_of(const Operand& maps, double percent, const Operand& out,
                               const std::optional<Operand>& broken, const Loop& loop) {
  require(out.shape == maps.shape && out.dtype == maps.dtype, "maps and result must be alike: [..., H, W]");
  const index_t pixels = maps.axis(1) * maps.axis(2);
  for_map_type(maps, [&](auto zero) {
    using T = decltype(zero);
    loop(maps.items(2), [&](index_t i) {
      const bool whole = top_k_threshold(maps.map<T>(i), percent, out.as<T>() + i * pixels);
      if (broken) broken->as<std::uint8_t>()[i] = !whole;
    });
  });
}

void bind_top_k_threshold(py::module_& m) {
  m.def(
      "top_k_threshold",
      [](const py::array& maps, double percent, int num_threads) {
        const Operand given = operand(maps);
        py::array out(maps.dtype(), given.shape);
        py::array_t<std::uint8_t> broken(given.leading(2));
        const Operand result = operand(out), bad = operand(broken);
        {
          const py::gil_scoped_release release;
          top_k_threshold_of(given, percent, result, bad, threads(num_threads));
        }
        return py::make_tuple(out, broken);
      },
      py::arg("maps"), py::arg("percent"), py::arg("num_threads"));
}

static ffi::Error top_k_threshold_ffi(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out,
                                      double percent) {
  return guarded([&] { top_k_threshold_of(operand(maps), percent, operand(*out), std::nullopt, pool_loop(pool)); });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_top_k_threshold, xaijax::bindings::top_k_threshold_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<double>("percent"));
