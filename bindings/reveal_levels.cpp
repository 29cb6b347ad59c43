#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/levels.hpp"

namespace xaijax::bindings {

// Returns the number of the first map that holds NaN, -1 where none does.
static index_t reveal_levels_of(const Operand& maps, const std::vector<double>& fractions,
                                const std::optional<Operand>& always, const Operand& levels, const Loop& loop) {
  require(levels.dtype == DType::uint16 && levels.ends_like(maps, 2), "levels must be uint16 [..., H, W] like maps");
  const auto batch = levels.leading(2);
  const Items map_of = broadcast(maps.leading(2), batch);
  Items always_of;
  if (always) {
    require(always->dtype == DType::boolean && always->ends_like(maps, 2), "always must be bool [..., H, W] like maps");
    always_of = broadcast(always->leading(2), batch);
  }
  const index_t count = levels.items(2), pixels = levels.axis(1) * levels.axis(2);
  std::atomic<index_t> with_nan{count};
  for_map_type(maps, [&](auto zero) {
    using T = decltype(zero);
    loop(count, [&](index_t i) {
      const bool* const known = always ? always->map<bool>(at(always_of, i)).data : nullptr;
      if (reveal_levels(maps.map<T>(at(map_of, i)), fractions, known, levels.as<std::uint16_t>() + i * pixels)) return;
      for (index_t found = with_nan; i < found && !with_nan.compare_exchange_weak(found, i);) continue;
    });
  });
  return with_nan < count ? with_nan.load() : -1;
}

void bind_reveal_levels(py::module_& m) {
  m.def(
      "reveal_levels",
      [](const py::array& maps, const std::vector<double>& fractions, const std::optional<py::array>& always,
         int num_threads) {
        const Operand given = operand(maps);
        py::array_t<std::uint16_t> levels(given.shape);
        const Operand result = operand(levels);
        std::optional<Operand> known;
        if (always) known = operand(*always);
        index_t with_nan = -1;
        {
          const py::gil_scoped_release release;
          with_nan = reveal_levels_of(given, fractions, known, result, threads(num_threads));
        }
        return std::make_pair(levels, with_nan);
      },
      py::arg("maps"), py::arg("fractions"), py::arg("always").none(true), py::arg("num_threads"));
}

static ffi::Error reveal_levels_ffi(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::RemainingArgs rest,
                                    ffi::Result<ffi::AnyBuffer> levels, ffi::Span<const double> fractions) {
  return guarded([&] {
    std::optional<Operand> always;
    if (rest.size() > 0) always = operand(*rest.get<ffi::AnyBuffer>(0));
    reveal_levels_of(operand(maps), {fractions.begin(), fractions.end()}, always, operand(*levels), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_reveal_levels, xaijax::bindings::reveal_levels_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<xla::ffi::Span<const double>>("fractions"));
