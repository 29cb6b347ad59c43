#include "xaijax/reveal.hpp"

#include <stdexcept>

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error reveal_handler(ffi::ThreadPool pool, ffi::AnyBuffer images, ffi::AnyBuffer levels,
                                 ffi::AnyBuffer backgrounds, ffi::Result<ffi::AnyBuffer> out, bool deletion,
                                 std::int64_t fill, double sigma, double noise, std::int64_t seed) {
  const auto shape = images.dimensions(), level_shape = levels.dimensions(), back_shape = backgrounds.dimensions();
  const auto whole = out->dimensions();
  const std::size_t n = shape.size(), w = whole.size();
  if (n < 3 || level_shape.size() < 2 || back_shape.size() < 3 || w < 4)
    return ffi::Error::InvalidArgument("images must be [..., H, W, C], levels [..., H, W], the result one axis more");
  if (levels.element_type() != ffi::DataType::U16) return ffi::Error::InvalidArgument("levels must be uint16");
  if (backgrounds.element_type() != images.element_type() || out->element_type() != images.element_type())
    return ffi::Error::InvalidArgument("the fill and the result must have the dtype of images");
  const index_t height = shape[n - 3], width = shape[n - 2], channels = shape[n - 1];
  const std::size_t l = level_shape.size(), b = back_shape.size();
  if (level_shape[l - 2] != height || level_shape[l - 1] != width || whole[w - 3] != height || whole[w - 2] != width ||
      whole[w - 1] != channels || back_shape[b - 1] != channels)
    return ffi::Error::InvalidArgument("images, levels, the fill and the result must be of one size");
  const auto image_of = broadcast_items(whole, shape, 4, 3), level_of = broadcast_items(whole, level_shape, 4, 2),
             background_of = broadcast_items(whole, back_shape, 4, 3);
  const auto count = static_cast<std::size_t>(leading(whole, 4));
  if (image_of.size() != count || level_of.size() != count || background_of.size() != count)
    return ffi::Error::InvalidArgument("images, levels and the fill must have the leading axes of the result, or ones");
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    RevealBatch<T> batch;
    batch.images = {static_cast<const T*>(images.untyped_data()), height, width, channels};
    batch.levels = {static_cast<const std::uint16_t*>(levels.untyped_data()), height, width, whole[w - 4], deletion};
    batch.backgrounds = {static_cast<const T*>(backgrounds.untyped_data()), back_shape[b - 3], back_shape[b - 2],
                         channels};
    batch.image_of = image_of;
    batch.level_of = level_of;
    batch.background_of = background_of;
    batch.out = static_cast<T*>(out->untyped_data());
    try {
      const RevealOptions options{static_cast<Fill>(fill), sigma, noise, static_cast<std::uint64_t>(seed)};
      reveal_batch(batch, options, [&](index_t items, const auto& task) {
        const ffi::Error error = pool_for(pool, items, task);
        if (error.failure()) throw std::runtime_error(error.message());
      });
    } catch (const std::exception& error) {
      return ffi::Error::Internal(error.what());
    }
    return ffi::Error::Success();
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_reveal, xaijax::bindings::reveal_handler,
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
