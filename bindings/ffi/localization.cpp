#include "xaijax/localization.hpp"

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error localization_scores_handler(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::AnyBuffer masks,
                                              ffi::Result<ffi::AnyBuffer> scores, ffi::Result<ffi::AnyBuffer> reasons,
                                              std::int64_t wanted, bool relu, double threshold, double percent,
                                              double tolerance) {
  const auto shape = maps.dimensions();
  const std::size_t n = shape.size();
  if (n < 2) return ffi::Error::InvalidArgument("maps must be [..., H, W]");
  const auto mask_shape = masks.dimensions();
  const std::size_t m = mask_shape.size();
  if (!is_mask(masks.element_type()) || m < 2 || mask_shape[m - 2] != shape[n - 2] || mask_shape[m - 1] != shape[n - 1])
    return ffi::Error::InvalidArgument("masks must be bool or uint8 and [..., H, W] like maps");
  if (!is_real(scores->element_type())) return ffi::Error::InvalidArgument("scores must be float32 or float64");
  if (reasons->element_type() != ffi::DataType::U8) return ffi::Error::InvalidArgument("reasons must be uint8");
  const LocalizationOptions options{static_cast<std::uint32_t>(wanted), relu, threshold, percent, tolerance};
  index_t columns = 0;
  for (int s = 0; s < kLocalizationScores; ++s) columns += options.wants(static_cast<LocalizationScore>(s));
  // The result has all leading axes; under vmap either operand may have ones in their place.
  const auto whole = scores->dimensions();
  const index_t count = leading(whole, 1);
  if (whole.size() + 1 != n || whole[n - 2] != columns || reasons->element_count() != scores->element_count())
    return ffi::Error::InvalidArgument("scores and reasons must be [..., number of wanted scores]");
  const auto map_of = broadcast_items(whole, shape, 1, 2), mask_of = broadcast_items(whole, mask_shape, 1, 2);
  if (static_cast<index_t>(map_of.size()) != count || static_cast<index_t>(mask_of.size()) != count)
    return ffi::Error::InvalidArgument("maps and masks must have the leading axes of scores, or ones");
  const auto* const mask_data = static_cast<const std::uint8_t*>(masks.untyped_data());
  auto* const why = static_cast<ScoreReason*>(reasons->untyped_data());
  return for_map_dtype(maps.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const MapView<const T> first{static_cast<const T*>(maps.untyped_data()), shape[n - 2], shape[n - 1]};
    return pool_for(pool, count, [&](index_t i) {
      auto map = first;
      map.data += map_of[static_cast<std::size_t>(i)] * first.size();
      double row[kLocalizationScores];
      localization_scores(map, mask_data + mask_of[static_cast<std::size_t>(i)] * first.size(), options, row,
                          why + i * columns);
      for (index_t c = 0; c < columns; ++c) store_real(*scores, i * columns + c, row[c]);
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_localization_scores, xaijax::bindings::localization_scores_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("wanted")
                                  .Attr<bool>("relu")
                                  .Attr<double>("threshold")
                                  .Attr<double>("percent")
                                  .Attr<double>("tolerance"));
