#include <optional>
#include <vector>

#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/regions.hpp"

namespace xaijax::bindings {

// masks is [S, H, W] for all attributions, or [..., S, H, W] whose leading axes broadcast to those of maps.
static void rank_regions_of(const Operand& attribution, const Operand& masks, index_t dilate,
                            const RegionOptions& options, const Operand& maps, const Operand& ranks, const Loop& loop) {
  require(masks.is_mask() && masks.ends_like(attribution, 2), "masks must be bool or uint8 [..., S, H, W]");
  require(maps.is_real() && maps.ends_like(attribution, 2) && ranks.dtype == DType::int32 && ranks.shape == maps.shape,
          "maps must be float32 or float64, ranks int32, both [..., H, W] like attribution");
  const auto batch = maps.leading(2);
  const Items map_of = broadcast(attribution.leading(2), batch), set_of = broadcast(masks.leading(3), batch);
  const index_t per_set = masks.axis(3), height = maps.axis(2), width = maps.axis(1), pixels = height * width;
  const index_t count = maps.items(2);
  const auto set = [&](index_t s) {
    return Regions(masks.as<std::uint8_t>() + s * per_set * pixels, per_set, height, width, dilate);
  };
  std::optional<Regions> shared;
  if (masks.items(3) == 1 && count > 0) shared = set(0);
  for_map_type(attribution, [&](auto zero) {
    using T = decltype(zero);
    loop(count, [&](index_t i) {
      std::optional<Regions> own;
      if (!shared) own = set(at(set_of, i));
      std::vector<double> wide(maps.dtype == DType::float64 ? 0 : static_cast<std::size_t>(pixels));
      double* const map = wide.empty() ? maps.as<double>() + i * pixels : wide.data();
      (shared ? *shared : *own)
          .rank(attribution.map<T>(at(map_of, i)).data, options, map, ranks.as<std::int32_t>() + i * pixels);
      for (std::size_t p = 0; p < wide.size(); ++p) maps.store(i * pixels + static_cast<index_t>(p), wide[p]);
    });
  });
}

void bind_rank_regions(py::module_& m) {
  m.def(
      "rank_regions",
      [](const py::array& attribution, const py::array& masks, index_t dilate, bool fast, index_t min_pixels,
         double area, int num_threads) {
        const Operand given = operand(attribution);
        Operand sets = operand(masks);
        // [N, S, H, W] has one set for each of the N attributions, whatever their leading axes are.
        if (sets.shape.size() == 4) {
          require(sets.shape[0] == given.items(2), "there must be one set of masks, or one for each attribution");
          sets.shape.erase(sets.shape.begin());
          const auto batch = given.leading(2);
          sets.shape.insert(sets.shape.begin(), batch.begin(), batch.end());
        }
        py::array_t<double> maps(given.shape);
        py::array_t<std::int32_t> ranks(given.shape);
        const Operand result = operand(maps), order = operand(ranks);
        {
          const py::gil_scoped_release release;
          rank_regions_of(given, sets, dilate, {fast, min_pixels, area}, result, order, threads(num_threads));
        }
        return py::make_tuple(maps, ranks);
      },
      py::arg("attribution"), py::arg("masks"), py::arg("dilate"), py::arg("fast"), py::arg("min_pixels"),
      py::arg("area"), py::arg("num_threads"));
}

static ffi::Error rank_regions_ffi(ffi::ThreadPool pool, ffi::AnyBuffer attribution, ffi::AnyBuffer masks,
                                   ffi::Result<ffi::AnyBuffer> maps, ffi::Result<ffi::AnyBuffer> ranks,
                                   std::int64_t dilate, bool fast, std::int64_t min_pixels, double area) {
  return guarded([&] {
    rank_regions_of(operand(attribution), operand(masks), dilate, {fast, min_pixels, area}, operand(*maps),
                    operand(*ranks), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_rank_regions, xaijax::bindings::rank_regions_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("dilate")
                                  .Attr<bool>("fast")
                                  .Attr<std::int64_t>("min_pixels")
                                  .Attr<double>("area"));
