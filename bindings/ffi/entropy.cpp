#include "xaijax/entropy.hpp"

#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error histogram_entropy_handler(ffi::ThreadPool pool, ffi::AnyBuffer images,
                                            ffi::Result<ffi::AnyBuffer> bits, std::int64_t bins, bool from_image,
                                            double low, double high) {
  const auto shape = images.dimensions();
  if (shape.size() < 3) return ffi::Error::InvalidArgument("images must be [..., H, W, C]");
  if (!is_real(bits->element_type())) return ffi::Error::InvalidArgument("bits must be float32 or float64");
  const std::size_t n = shape.size();
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const ImageView<const T> first{static_cast<const T*>(images.untyped_data()), shape[n - 3], shape[n - 2],
                                   shape[n - 1]};
    return pool_for(pool, leading(shape, 3), [&](index_t i) {
      auto image = first;
      image.data += i * first.size();
      store_real(*bits, i, histogram_entropy(image, static_cast<int>(bins), {from_image, low, high}));
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_histogram_entropy, xaijax::bindings::histogram_entropy_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins")
                                  .Attr<bool>("from_image")
                                  .Attr<double>("low")
                                  .Attr<double>("high"));
