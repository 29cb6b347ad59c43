#include "xaijax/regions.hpp"

#include <optional>

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error rank_regions_handler(ffi::ThreadPool pool, ffi::AnyBuffer attribution, ffi::AnyBuffer masks,
                                       ffi::Result<ffi::AnyBuffer> maps, ffi::Result<ffi::AnyBuffer> ranks,
                                       std::int64_t dilate, bool fast, std::int64_t min_pixels, double area) {
  const auto shape = attribution.dimensions(), mask_shape = masks.dimensions(), whole = maps->dimensions();
  const std::size_t n = shape.size(), m = mask_shape.size();
  if (n < 2 || m < 3 || !is_mask(masks.element_type()) || mask_shape[m - 2] != shape[n - 2] ||
      mask_shape[m - 1] != shape[n - 1])
    return ffi::Error::InvalidArgument("attribution must be [..., H, W], masks bool or uint8 [..., S, H, W]");
  if (!is_real(maps->element_type()) || ranks->element_type() != ffi::DataType::S32 ||
      ranks->element_count() != maps->element_count() || whole.size() != n)
    return ffi::Error::InvalidArgument("maps must be float32 or float64, ranks int32, both [..., H, W]");
  const index_t count = leading(whole, 2), per_set = mask_shape[m - 3];
  const auto map_of = broadcast_items(whole, shape, 2, 2), set_of = broadcast_items(whole, mask_shape, 2, 3);
  if (static_cast<index_t>(map_of.size()) != count || static_cast<index_t>(set_of.size()) != count)
    return ffi::Error::InvalidArgument("attribution and masks must have the leading axes of maps, or ones");
  const index_t height = shape[n - 2], width = shape[n - 1], pixels = height * width;
  const auto* const mask = static_cast<const std::uint8_t*>(masks.untyped_data());
  auto* const rank = static_cast<std::int32_t*>(ranks->untyped_data());
  std::optional<Regions> shared;
  if (leading(mask_shape, 3) == 1 && count > 0) shared.emplace(mask, per_set, height, width, dilate);
  return for_map_dtype(attribution.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* const value = static_cast<const T*>(attribution.untyped_data());
    return pool_for(pool, count, [&](index_t i) {
      const auto item = static_cast<std::size_t>(i);
      const RegionOptions options{fast, min_pixels, area};
      std::vector<double> map(static_cast<std::size_t>(pixels));
      const T* const from = value + map_of[item] * pixels;
      if (shared)
        shared->rank(from, options, map.data(), rank + i * pixels);
      else
        Regions(mask + set_of[item] * per_set * pixels, per_set, height, width, dilate)
            .rank(from, options, map.data(), rank + i * pixels);
      for (index_t p = 0; p < pixels; ++p) store_real(*maps, i * pixels + p, map[static_cast<std::size_t>(p)]);
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_rank_regions, xaijax::bindings::rank_regions_handler,
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
