#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/entropy.hpp"

namespace xaijax::bindings {

static void histogram_entropy_of(const Operand& images, int bins, BinRange range, const Operand& bits,
                                 const Loop& loop) {
  require(bits.is_real() && bits.size() == images.items(3), "bits must be float32 or float64, one for each image");
  for_image_type(images, [&](auto zero) {
    using T = decltype(zero);
    loop(bits.size(), [&](index_t i) { bits.store(i, histogram_entropy(images.image<T>(i), bins, range)); });
  });
}

void bind_histogram_entropy(py::module_& m) {
  m.def(
      "histogram_entropy",
      [](const py::array& images, int bins, bool from_image, double low, double high, int num_threads) {
        const Operand given = operand(images);
        py::array_t<double> bits(given.leading(3));
        const Operand result = operand(bits);
        {
          const py::gil_scoped_release release;
          histogram_entropy_of(given, bins, {from_image, low, high}, result, threads(num_threads));
        }
        return bits;
      },
      py::arg("images"), py::arg("bins"), py::arg("from_image"), py::arg("low"), py::arg("high"),
      py::arg("num_threads"));
}

static ffi::Error histogram_entropy_ffi(ffi::ThreadPool pool, ffi::AnyBuffer images, ffi::Result<ffi::AnyBuffer> bits,
                                        std::int64_t bins, bool from_image, double low, double high) {
  return guarded([&] {
    const BinRange range{from_image, low, high};
    histogram_entropy_of(operand(images), static_cast<int>(bins), range, operand(*bits), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_histogram_entropy, xaijax::bindings::histogram_entropy_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins")
                                  .Attr<bool>("from_image")
                                  .Attr<double>("low")
                                  .Attr<double>("high"));
