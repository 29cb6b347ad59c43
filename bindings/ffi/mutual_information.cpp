#include "xaijax/mutual_information.hpp"

#include "ffi/broadcast.hpp"
#include "ffi/ffi.hpp"
#include "ffi/registry.hpp"
#include "operand_items.hpp"

namespace xaijax::bindings {

static ffi::Error mutual_information_handler(ffi::ThreadPool pool, ffi::AnyBuffer images, ffi::AnyBuffer references,
                                             ffi::Result<ffi::AnyBuffer> bits, std::int64_t bins) {
  const auto shape = images.dimensions(), reference_shape = references.dimensions();
  if (shape.size() < 3 || reference_shape.size() < 3)
    return ffi::Error::InvalidArgument("images and references must be [..., H, W, C]");
  if (!std::equal(shape.end() - 3, shape.end(), reference_shape.end() - 3))
    return ffi::Error::InvalidArgument("images and references must agree in H, W and C");
  if (references.element_type() != images.element_type())
    return ffi::Error::InvalidArgument("images and references must have the same dtype");
  if (!is_real(bits->element_type())) return ffi::Error::InvalidArgument("bits must be float32 or float64");
  const std::size_t n = shape.size();
  const auto image_item = broadcast_items(bits->dimensions(), shape, 0, 3);
  const auto reference_item = broadcast_items(bits->dimensions(), reference_shape, 0, 3);
  const std::size_t count = bits->element_count();
  if (image_item.size() != count || reference_item.size() != count)
    return ffi::Error::InvalidArgument("images and references must broadcast to the shape of bits");
  const auto groups = group_by_item(reference_item, group_limit(static_cast<index_t>(reference_item.size()),
                                                                static_cast<index_t>(pool.num_threads())));
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto image_at = [&](ffi::AnyBuffer& buffer, index_t i) {
      ImageView<const T> view{static_cast<const T*>(buffer.untyped_data()), shape[n - 3], shape[n - 2], shape[n - 1]};
      view.data += i * view.size();
      return view;
    };
    return pool_for(pool, static_cast<index_t>(groups.size()), [&](index_t g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      const BinnedReference<T> reference(image_at(references, group.item), static_cast<int>(bins));
      for (const index_t i : group.results)
        store_real(*bits, i,
                   reference.mutual_information(image_at(images, image_item[static_cast<std::size_t>(i)])));
    });
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_mutual_information, xaijax::bindings::mutual_information_handler,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins"));
