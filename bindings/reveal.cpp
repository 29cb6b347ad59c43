#include "xaijax/reveal.hpp"

#include <utility>

#include "ffi.hpp"
#include "numpy.hpp"

namespace xaijax::bindings {

namespace {

// Which image, levels and background each item of the result is made from.
struct Owners {
  Items image, levels, background;
};

// out is [items..., n_levels, H, W, C].
void reveal_of(const Operand& images, const Operand& levels, const Operand& backgrounds, Owners owners, bool deletion,
               const RevealOptions& options, const Operand& out, const Loop& loop) {
  const index_t count = out.items(4), n_levels = out.axis(4);
  require(levels.dtype == DType::uint16 && out.ends_like(images, 3) && levels.axis(2) == images.axis(3) &&
              levels.axis(1) == images.axis(2) && backgrounds.axis(1) == images.axis(1),
          "images, levels (uint16), the fill and the result must be of one size");
  require(backgrounds.dtype == images.dtype && out.dtype == images.dtype,
          "the fill and the result must have the dtype of images");
  for (const Items* of : {&owners.image, &owners.levels, &owners.background})
    require(static_cast<index_t>(of->size()) == count, "there must be one image, map and fill for each item");
  for_image_type(images, [&](auto zero) {
    using T = decltype(zero);
    RevealBatch<T> batch;
    batch.images = images.image<T>(0);
    batch.levels = {levels.as<std::uint16_t>(), levels.axis(2), levels.axis(1), n_levels, deletion};
    batch.backgrounds = backgrounds.image<T>(0);
    batch.image_of = std::move(owners.image);
    batch.level_of = std::move(owners.levels);
    batch.background_of = std::move(owners.background);
    batch.out = out.as<T>();
    reveal_batch(batch, options, loop);
  });
}

}  // namespace

void bind_reveal(py::module_& m) {
  m.def(
      "reveal",
      [](const py::array& images, const py::array& levels, const py::array& backgrounds, const py::array& image_of,
         const py::array& level_of, const py::array& background_of, index_t n_levels, bool deletion, int fill,
         double sigma, double noise, std::uint64_t seed, int num_threads) {
        const Operand given = operand(images), ranks = operand(levels), behind = operand(backgrounds);
        Owners owners{items_of(image_of, given.items(3)), items_of(level_of, ranks.items(2)),
                      items_of(background_of, behind.items(3))};
        // The Python face gives the leading axes their shape.
        py::array out(images.dtype(), std::vector<index_t>{static_cast<index_t>(owners.image.size()), n_levels,
                                                           given.axis(3), given.axis(2), given.axis(1)});
        const Operand result = operand(out);
        {
          const py::gil_scoped_release release;
          const RevealOptions options{static_cast<Fill>(fill), sigma, noise, seed};
          reveal_of(given, ranks, behind, std::move(owners), deletion, options, result, threads(num_threads));
        }
        return out;
      },
      py::arg("images"), py::arg("levels"), py::arg("backgrounds"), py::arg("image_of"), py::arg("level_of"),
      py::arg("background_of"), py::arg("n_levels"), py::arg("deletion"), py::arg("fill"), py::arg("sigma"),
      py::arg("noise"), py::arg("seed"), py::arg("num_threads"));
}

static ffi::Error reveal_ffi(ffi::ThreadPool pool, ffi::AnyBuffer images, ffi::AnyBuffer levels,
                             ffi::AnyBuffer backgrounds, ffi::Result<ffi::AnyBuffer> out, bool deletion,
                             std::int64_t fill, double sigma, double noise, std::int64_t seed) {
  return guarded([&] {
    const Operand given = operand(images), ranks = operand(levels), behind = operand(backgrounds),
                  result = operand(*out);
    const auto batch = result.leading(4);
    Owners owners{broadcast(given.leading(3), batch), broadcast(ranks.leading(2), batch),
                  broadcast(behind.leading(3), batch)};
    const RevealOptions options{static_cast<Fill>(fill), sigma, noise, static_cast<std::uint64_t>(seed)};
    reveal_of(given, ranks, behind, std::move(owners), deletion, options, result, pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_reveal, xaijax::bindings::reveal_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<bool>("deletion")
                                  .Attr<std::int64_t>("fill")
                                  .Attr<double>("sigma")
                                  .Attr<double>("noise")
                                  .Attr<std::int64_t>("seed"));
