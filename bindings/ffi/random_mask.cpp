#include "xaijax/random_mask.hpp"

#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

// seeds [...] of any integer dtype -> mask [..., H, W]; a negative seed is read as its 64-bit two's complement.
static ffi::Error random_mask_handler(ffi::ThreadPool pool, ffi::AnyBuffer seeds,
                                      ffi::ResultBuffer<ffi::DataType::PRED> masks, std::int64_t count) {
  const auto shape = masks->dimensions();
  if (shape.size() < 2) return ffi::Error::InvalidArgument("masks must be [..., H, W]");
  const index_t items = leading(shape, 2), pixels = shape[shape.size() - 2] * shape[shape.size() - 1];
  if (items != static_cast<index_t>(seeds.element_count()) || count > pixels)
    return ffi::Error::InvalidArgument("one seed for each mask, and no more true pixels than there are");
  const auto run = [&](auto zero) {
    const auto* seed = static_cast<const decltype(zero)*>(seeds.untyped_data());
    return pool_for(pool, items, [&](index_t i) {
      random_mask(pixels, count, static_cast<std::uint64_t>(seed[i]), masks->typed_data() + i * pixels);
    });
  };
  switch (seeds.element_type()) {
    case ffi::DataType::S32:
      return run(std::int32_t{});
    case ffi::DataType::U32:
      return run(std::uint32_t{});
    case ffi::DataType::S64:
      return run(std::int64_t{});
    case ffi::DataType::U64:
      return run(std::uint64_t{});
    default:
      return ffi::Error::InvalidArgument("seeds must be int32, uint32, int64 or uint64");
  }
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_random_mask, xaijax::bindings::random_mask_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::Buffer<xla::ffi::DataType::PRED>>()
                                  .Attr<std::int64_t>("count"));
