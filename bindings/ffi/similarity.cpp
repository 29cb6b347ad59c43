#include "xaijax/similarity.hpp"

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"

namespace xaijax::bindings {

static ffi::Error similarity_handler(ffi::ThreadPool pool, ffi::AnyBuffer a, ffi::AnyBuffer b,
                                     ffi::Result<ffi::AnyBuffer> measures, std::int64_t wanted, double percent) {
  const auto shape = a.dimensions(), other = b.dimensions(), whole = measures->dimensions();
  const std::size_t n = shape.size();
  if (n < 2 || other.size() != n || other[n - 2] != shape[n - 2] || other[n - 1] != shape[n - 1] ||
      a.element_type() != b.element_type())
    return ffi::Error::InvalidArgument("a and b must be [..., H, W] of one dtype");
  if (!is_real(measures->element_type())) return ffi::Error::InvalidArgument("result must be float32 or float64");
  const SimilarityOptions options{static_cast<std::uint32_t>(wanted), percent};
  index_t columns = 0;
  for (int s = 0; s < kSimilarities; ++s) columns += options.wants(static_cast<Similarity>(s));
  if (whole.size() + 1 != n || whole[n - 2] != columns)
    return ffi::Error::InvalidArgument("result must be [..., number of measures]");
  const index_t count = leading(whole, 1);
  const auto a_of = broadcast_items(whole, shape, 1, 2), b_of = broadcast_items(whole, other, 1, 2);
  if (static_cast<index_t>(a_of.size()) != count || static_cast<index_t>(b_of.size()) != count)
    return ffi::Error::InvalidArgument("a and b must have the leading axes of the result, or ones");
  return for_map_dtype(a.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const MapView<const T> first{static_cast<const T*>(a.untyped_data()), shape[n - 2], shape[n - 1]};
    const T* const second = static_cast<const T*>(b.untyped_data());
    return pool_for(pool, count, [&](index_t i) {
      const auto item = static_cast<std::size_t>(i);
      auto map = first;
      map.data += a_of[item] * first.size();
      double row[kSimilarities];
      similarity(map, second + b_of[item] * first.size(), options, row);
      for (index_t c = 0; c < columns; ++c) store_real(*measures, i * columns + c, row[c]);
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_similarity, xaijax::bindings::similarity_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("wanted")
                                  .Attr<double>("percent"));
