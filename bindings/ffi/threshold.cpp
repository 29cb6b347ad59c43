#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"
#include "xaijax/ebayes.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax::bindings {

static bool same_shape(ffi::AnyBuffer a, ffi::AnyBuffer b) {
  const auto x = a.dimensions(), y = b.dimensions();
  return x.size() >= 2 && x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin()) &&
         a.element_type() == b.element_type();
}

static ffi::Error top_k_threshold_handler(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out,
                                          double percent) {
  if (!same_shape(maps, *out)) return ffi::Error::InvalidArgument("maps and result must be alike: [..., H, W]");
  const auto shape = maps.dimensions();
  const std::size_t n = shape.size();
  return for_map_dtype(maps.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const MapView<const T> first{static_cast<const T*>(maps.untyped_data()), shape[n - 2], shape[n - 1]};
    T* const result = static_cast<T*>(out->untyped_data());
    return pool_for(pool, leading(shape, 2), [&](index_t i) {
      auto map = first;
      map.data += i * first.size();
      top_k_threshold(map, percent, result + i * first.size());
    });
  });
}

static ffi::Error ebayes_threshold_handler(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out,
                                           ffi::Result<ffi::AnyBuffer> estimates, ffi::Result<ffi::AnyBuffer> reasons,
                                           std::int64_t prior, double a, bool fit_scale, double sd, std::int64_t rule,
                                           bool universal_floor) {
  if (!same_shape(maps, *out)) return ffi::Error::InvalidArgument("maps and result must be alike: [..., H, W]");
  const auto shape = maps.dimensions();
  const std::size_t n = shape.size();
  const index_t count = leading(shape, 2);
  if (!is_real(estimates->element_type()) || static_cast<index_t>(estimates->element_count()) != 4 * count)
    return ffi::Error::InvalidArgument("estimates must be [..., 4] float32 or float64");
  if (reasons->element_type() != ffi::DataType::U8 || static_cast<index_t>(reasons->element_count()) != count)
    return ffi::Error::InvalidArgument("reasons must be [...] uint8");
  auto* const reason = static_cast<std::uint8_t*>(reasons->untyped_data());
  const Slab slab{static_cast<Prior>(prior), a};
  const Ebayes ebayes({slab, fit_scale, sd, static_cast<ThresholdRule>(rule), universal_floor});
  return for_map_dtype(maps.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const MapView<const T> first{static_cast<const T*>(maps.untyped_data()), shape[n - 2], shape[n - 1]};
    T* const result = static_cast<T*>(out->untyped_data());
    return pool_for(pool, count, [&](index_t i) {
      auto map = first;
      map.data += i * first.size();
      const EbayesFit fit = ebayes(map, result + i * first.size());
      store_real(*estimates, 4 * i, fit.sd);
      store_real(*estimates, 4 * i + 1, fit.w);
      store_real(*estimates, 4 * i + 2, fit.a);
      store_real(*estimates, 4 * i + 3, fit.threshold);
      reason[i] = static_cast<std::uint8_t>(fit.reason);
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_top_k_threshold, xaijax::bindings::top_k_threshold_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<double>("percent"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_ebayes_threshold, xaijax::bindings::ebayes_threshold_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("prior")
                                  .Attr<double>("a")
                                  .Attr<bool>("fit_scale")
                                  .Attr<double>("sd")
                                  .Attr<std::int64_t>("rule")
                                  .Attr<bool>("universal_floor"));
