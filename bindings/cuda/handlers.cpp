// XLA FFI handlers of the CUDA kernels: check shapes and dtypes, hand over device pointers and XLA's stream.
#include <vector>

#include "ffi/ffi.hpp"
#include "xaijax/cuda.hpp"
#include "xaijax/reveal.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax::bindings {

namespace {

using Stream = cuda::Stream;
using Shape = ffi::AnyBuffer::Dimensions;

ffi::Error refuse(const char* message) { return ffi::Error::InvalidArgument(message); }

ffi::Error status(const char* message) {
  return message == nullptr ? ffi::Error::Success() : ffi::Error::Internal(message);
}

// How `part` broadcasts to the leading axes of `whole`; false where it does not.
bool broadcast(Shape whole, std::size_t whole_trailing, Shape part, std::size_t part_trailing, cuda::Broadcast* out) {
  const std::size_t axes = whole.size() - whole_trailing;
  if (part.size() < part_trailing || part.size() - part_trailing != axes) return false;
  if (axes > static_cast<std::size_t>(cuda::Broadcast::max_axes)) return false;
  out->axes = static_cast<int>(axes);
  index_t items = 1;
  for (std::size_t axis = axes; axis-- > 0;) {
    if (part[axis] != whole[axis] && part[axis] != 1) return false;
    out->length[axis] = whole[axis];
    out->step[axis] = part[axis] == 1 ? 0 : items;
    items *= part[axis];
  }
  return true;
}

template <class T>
const T* data(ffi::AnyBuffer& buffer) {
  return static_cast<const T*>(buffer.untyped_data());
}

// Calls body(T{}) for a real result.
template <class Body>
ffi::Error for_real(ffi::DataType dtype, const Body& body) {
  if (dtype == ffi::DataType::F32) return body(float{});
  if (dtype == ffi::DataType::F64) return body(double{});
  return refuse("the result must be float32 or float64");
}

ffi::Error histogram_entropy_handler(Stream stream, ffi::AnyBuffer images, ffi::Result<ffi::AnyBuffer> bits,
                                     std::int64_t bins, bool from_image, double low, double high) {
  const auto shape = images.dimensions();
  const std::size_t n = shape.size();
  if (n < 3) return refuse("images must be [..., H, W, C]");
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    return for_real(bits->element_type(), [&](auto real) {
      using Real = decltype(real);
      return status(cuda::histogram_entropy(stream, data<T>(images), leading(shape, 3),
                                            shape[n - 3] * shape[n - 2] * shape[n - 1], static_cast<int>(bins),
                                            {from_image, low, high}, static_cast<Real*>(bits->untyped_data())));
    });
  });
}

ffi::Error mutual_information_handler(Stream stream, ffi::AnyBuffer images, ffi::AnyBuffer references,
                                      ffi::Result<ffi::AnyBuffer> bits, std::int64_t bins) {
  const auto shape = images.dimensions(), reference_shape = references.dimensions();
  const std::size_t n = shape.size();
  if (n < 3 || reference_shape.size() < 3 || !std::equal(shape.end() - 3, shape.end(), reference_shape.end() - 3))
    return refuse("images and references must be [..., H, W, C] of one size");
  if (references.element_type() != images.element_type())
    return refuse("images and references must have the same dtype");
  cuda::Broadcast image_of, reference_of;
  if (!broadcast(bits->dimensions(), 0, shape, 3, &image_of) ||
      !broadcast(bits->dimensions(), 0, reference_shape, 3, &reference_of))
    return refuse("images and references must broadcast to the shape of bits, in at most 8 leading axes");
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    return for_real(bits->element_type(), [&](auto real) {
      using Real = decltype(real);
      return status(cuda::mutual_information(stream, data<T>(images), image_of, data<T>(references), reference_of,
                                             static_cast<index_t>(bits->element_count()), shape[n - 3] * shape[n - 2],
                                             shape[n - 1], static_cast<int>(bins),
                                             static_cast<Real*>(bits->untyped_data())));
    });
  });
}

ffi::Error reveal_levels_handler(Stream stream, ffi::ScratchAllocator scratch, ffi::AnyBuffer maps,
                                 ffi::RemainingArgs rest, ffi::ResultBuffer<ffi::DataType::U16> levels,
                                 ffi::Span<const double> fractions) {
  const auto shape = maps.dimensions(), whole = levels->dimensions();
  const std::size_t n = shape.size();
  if (n < 2 || whole.size() < 2 || !std::equal(shape.end() - 2, shape.end(), whole.end() - 2))
    return refuse("maps and levels must be [..., H, W] of one size");
  cuda::Broadcast map_of, always_of;
  if (!broadcast(whole, 2, shape, 2, &map_of))
    return refuse("maps must broadcast to the shape of levels, in at most 8 leading axes");
  const bool* always = nullptr;
  if (rest.size() == 1) {
    auto known = rest.get<ffi::Buffer<ffi::DataType::PRED>>(0);
    if (!known.has_value()) return refuse("always must be bool");
    const auto known_shape = known->dimensions();
    if (known_shape.size() < 2 || !std::equal(shape.end() - 2, shape.end(), known_shape.end() - 2) ||
        !broadcast(whole, 2, known_shape, 2, &always_of))
      return refuse("always must broadcast to the shape of levels");
    always = known->typed_data();
  }
  const index_t count = leading(whole, 2);
  return for_real(maps.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const std::vector<double> shares(fractions.begin(), fractions.end());
    const auto thresholds = scratch.Allocate(static_cast<std::size_t>(count) * shares.size() * sizeof(T), alignof(T));
    if (!thresholds.has_value()) return ffi::Error(ffi::ErrorCode::kResourceExhausted, "no memory for the thresholds");
    return status(cuda::reveal_levels(stream, data<T>(maps), map_of, always, always_of, count,
                                      shape[n - 2] * shape[n - 1], shares, static_cast<T*>(*thresholds),
                                      levels->typed_data()));
  });
}

ffi::Error top_k_threshold_handler(Stream stream, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out,
                                   double percent) {
  const auto shape = maps.dimensions();
  const std::size_t n = shape.size();
  if (n < 2) return refuse("maps must be [..., H, W]");
  if (out->element_type() != maps.element_type()) return refuse("the result must have the dtype of maps");
  return for_real(maps.element_type(), [&](auto zero) {
    using T = decltype(zero);
    const index_t pixels = shape[n - 2] * shape[n - 1];
    return status(cuda::top_k_threshold(stream, data<T>(maps), leading(shape, 2), pixels, top_count(pixels, percent),
                                        static_cast<T*>(out->untyped_data())));
  });
}

ffi::Error reveal_handler(Stream stream, ffi::ScratchAllocator scratch, ffi::AnyBuffer images, ffi::AnyBuffer levels,
                          ffi::AnyBuffer backgrounds, ffi::Result<ffi::AnyBuffer> out, bool deletion, std::int64_t fill,
                          double, double, std::int64_t) {
  const auto kind = static_cast<Fill>(fill);
  if (kind != Fill::background && kind != Fill::mean)
    return ffi::Error(ffi::ErrorCode::kUnimplemented,
                      "on CUDA reveal fills with a constant, an image or the mean; for other fills pass NumPy arrays");
  const auto shape = images.dimensions(), whole = out->dimensions();
  const auto level_shape = levels.dimensions(), back_shape = backgrounds.dimensions();
  const std::size_t n = shape.size(), w = whole.size(), b = back_shape.size(), l = level_shape.size();
  if (n < 3 || l < 2 || b < 3 || w < 4 || levels.element_type() != ffi::DataType::U16)
    return refuse("images must be [..., H, W, C], levels uint16 [..., H, W], the result one axis more");
  if (backgrounds.element_type() != images.element_type() || out->element_type() != images.element_type())
    return refuse("the fill and the result must have the dtype of images");
  if (!std::equal(shape.end() - 3, shape.end(), whole.end() - 3) || level_shape[l - 2] != shape[n - 3] ||
      level_shape[l - 1] != shape[n - 2] || back_shape[b - 1] != shape[n - 1])
    return refuse("images, levels, the fill and the result must be of one size");
  return for_image_dtype(images.element_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::FillArguments<T> a;
    if (!broadcast(whole, 4, shape, 3, &a.image_of) || !broadcast(whole, 4, level_shape, 2, &a.level_of) ||
        !broadcast(whole, 4, back_shape, 3, &a.background_of))
      return refuse("images, levels and the fill must have the leading axes of the result, or ones, at most 8");
    a.images = data<T>(images);
    a.levels = data<std::uint16_t>(levels);
    a.out = static_cast<T*>(out->untyped_data());
    a.count = leading(whole, 4);
    a.n_levels = whole[w - 4];
    a.pixels = shape[n - 3] * shape[n - 2];
    a.channels = shape[n - 1];
    a.deletion = deletion;
    a.backgrounds = data<T>(backgrounds);
    a.background_pixels = back_shape[b - 3] * back_shape[b - 2];
    if (kind == Fill::mean) {
      const index_t count = leading(shape, 3);
      const auto means = scratch.Allocate(static_cast<std::size_t>(count * a.channels) * sizeof(T), alignof(T));
      if (!means.has_value()) return ffi::Error(ffi::ErrorCode::kResourceExhausted, "no memory for the means");
      if (const char* message =
              cuda::channel_means(stream, a.images, count, a.pixels, a.channels, static_cast<T*>(*means)))
        return status(message);
      a.backgrounds = static_cast<const T*>(*means);
      a.background_of = a.image_of;
      a.background_pixels = 1;
    }
    return status(cuda::fill_unknown(stream, a));
  });
}

}  // namespace

}  // namespace xaijax::bindings

namespace ffi = ::xla::ffi;
using CudaStream = ffi::PlatformStream<xaijax::cuda::Stream>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_histogram_entropy, xaijax::bindings::histogram_entropy_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins")
                                  .Attr<bool>("from_image")
                                  .Attr<double>("low")
                                  .Attr<double>("high"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_mutual_information, xaijax::bindings::mutual_information_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_reveal_levels, xaijax::bindings::reveal_levels_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Ctx<ffi::ScratchAllocator>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::DataType::U16>>()
                                  .Attr<ffi::Span<const double>>("fractions"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_top_k_threshold, xaijax::bindings::top_k_threshold_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<double>("percent"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_reveal, xaijax::bindings::reveal_handler,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Ctx<ffi::ScratchAllocator>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<bool>("deletion")
                                  .Attr<std::int64_t>("fill")
                                  .Attr<double>("sigma")
                                  .Attr<double>("noise")
                                  .Attr<std::int64_t>("seed"));
