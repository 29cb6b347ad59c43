#include "xaijax/levels.hpp"

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error reveal_levels_handler(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::RemainingArgs rest,
                                        ffi::ResultBuffer<ffi::DataType::U16> levels,
                                        ffi::Span<const double> fractions) {
  const auto shape = maps.dimensions();
  const std::size_t n = shape.size();
  if (n < 2) return ffi::Error::InvalidArgument("maps must be [..., H, W]");
  // Under vmap an operand that is not mapped comes with an axis of length 1, so maps broadcast to the result too.
  const auto out_shape = levels->dimensions();
  if (out_shape.size() < 2 || !std::equal(shape.end() - 2, shape.end(), out_shape.end() - 2))
    return ffi::Error::InvalidArgument("levels must agree with maps in H and W");
  const auto count = static_cast<std::size_t>(leading(out_shape, 2));
  const auto map_item = broadcast_items(out_shape, shape, 2, 2);
  if (map_item.size() != count) return ffi::Error::InvalidArgument("maps must broadcast to the shape of levels");
  const bool* known = nullptr;
  std::vector<index_t> known_item;
  if (rest.size() == 1) {
    const auto always = rest.get<ffi::Buffer<ffi::DataType::PRED>>(0);
    if (!always.has_value()) return ffi::Error::InvalidArgument("always must be bool");
    const auto known_shape = always->dimensions();
    if (known_shape.size() < 2 || !std::equal(shape.end() - 2, shape.end(), known_shape.end() - 2))
      return ffi::Error::InvalidArgument("always must agree with maps in H and W");
    known = always->typed_data();
    known_item = broadcast_items(out_shape, known_shape, 2, 2);
    if (known_item.size() != count) return ffi::Error::InvalidArgument("always must broadcast to the shape of levels");
  }
  const std::vector<double> shares(fractions.begin(), fractions.end());
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    const MapView<const T> first{static_cast<const T*>(maps.untyped_data()), shape[n - 2], shape[n - 1]};
    return pool_for(pool, static_cast<index_t>(count), [&](index_t i) {
      auto map = first;
      map.data += map_item[static_cast<std::size_t>(i)] * first.size();
      reveal_levels(map, shares, known ? known + known_item[static_cast<std::size_t>(i)] * first.size() : nullptr,
                    levels->typed_data() + i * first.size());
    });
  };
  if (maps.element_type() == ffi::DataType::F32) return run(float{});
  if (maps.element_type() == ffi::DataType::F64) return run(double{});
  return ffi::Error::InvalidArgument("maps must be float32 or float64");
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_reveal_levels, xaijax::bindings::reveal_levels_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::Buffer<xla::ffi::DataType::U16>>()
                                  .Attr<xla::ffi::Span<const double>>("fractions"));
