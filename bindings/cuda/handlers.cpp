// XLA FFI handlers of the CUDA kernels: check shapes and dtypes, hand over device pointers and XLA's stream.
#include <vector>

#include "ffi.hpp"
#include "xaijax/cuda.hpp"
#include "xaijax/reveal.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax::bindings {

namespace {

using Stream = cuda::Stream;

void check(const char* message) {
  if (message != nullptr) throw std::runtime_error(message);
}

// How the items of `part` broadcast to results with the leading axes `whole`, of which it has as many.
cuda::Broadcast broadcast_on_device(const std::vector<index_t>& part, const std::vector<index_t>& whole) {
  require(part.size() == whole.size() && whole.size() <= static_cast<std::size_t>(cuda::Broadcast::max_axes),
          "operands must have the leading axes of the result, or ones, and at most 8");
  cuda::Broadcast out;
  out.axes = static_cast<int>(whole.size());
  index_t items = 1;
  for (std::size_t axis = whole.size(); axis-- > 0;) {
    require(part[axis] == whole[axis] || part[axis] == 1, "operands must have the leading axes of the result, or ones");
    out.length[axis] = whole[axis];
    out.step[axis] = part[axis] == 1 ? 0 : items;
    items *= part[axis];
  }
  return out;
}

// Calls body(T{}) for a real result.
template <class Body>
void for_real_type(const Operand& result, const Body& body) {
  require(result.is_real(), "the result must be float32 or float64");
  return result.dtype == DType::float32 ? body(float{}) : body(double{});
}

template <class T>
T* allocate(ffi::ScratchAllocator& scratch, index_t count) {
  const auto memory = scratch.Allocate(static_cast<std::size_t>(count) * sizeof(T), alignof(T));
  if (!memory.has_value()) throw std::bad_alloc();
  return static_cast<T*>(*memory);
}

ffi::Error histogram_entropy_cuda(Stream stream, ffi::AnyBuffer images, ffi::Result<ffi::AnyBuffer> bits,
                                  std::int64_t bins, bool from_image, double low, double high) {
  return guarded([&] {
    const Operand given = operand(images), result = operand(*bits);
    const BinRange range{from_image, low, high};
    for_image_type(given, [&](auto zero) {
      using T = decltype(zero);
      for_real_type(result, [&](auto real) {
        using Real = decltype(real);
        check(cuda::histogram_entropy(stream, given.as<const T>(), given.items(3),
                                      given.axis(3) * given.axis(2) * given.axis(1), static_cast<int>(bins), range,
                                      result.as<Real>()));
      });
    });
  });
}

ffi::Error mutual_information_cuda(Stream stream, ffi::AnyBuffer images, ffi::AnyBuffer references,
                                   ffi::Result<ffi::AnyBuffer> bits, std::int64_t bins) {
  return guarded([&] {
    const Operand given = operand(images), compared = operand(references), result = operand(*bits);
    require(given.ends_like(compared, 3) && given.dtype == compared.dtype,
            "images and references must be [..., H, W, C] of one size and one dtype");
    const auto image_of = broadcast_on_device(given.leading(3), result.shape);
    const auto reference_of = broadcast_on_device(compared.leading(3), result.shape);
    for_image_type(given, [&](auto zero) {
      using T = decltype(zero);
      for_real_type(result, [&](auto real) {
        using Real = decltype(real);
        check(cuda::mutual_information(stream, given.as<const T>(), image_of, compared.as<const T>(), reference_of,
                                       result.size(), given.axis(3) * given.axis(2), given.axis(1),
                                       static_cast<int>(bins), result.as<Real>()));
      });
    });
  });
}

ffi::Error reveal_levels_cuda(Stream stream, ffi::ScratchAllocator scratch, ffi::AnyBuffer maps,
                              ffi::RemainingArgs rest, ffi::Result<ffi::AnyBuffer> levels,
                              ffi::Span<const double> fractions) {
  return guarded([&] {
    const Operand given = operand(maps), result = operand(*levels);
    require(result.dtype == DType::uint16 && result.ends_like(given, 2), "levels must be uint16 [..., H, W] like maps");
    const auto batch = result.leading(2);
    const auto map_of = broadcast_on_device(given.leading(2), batch);
    const bool* known = nullptr;
    cuda::Broadcast known_of;
    if (rest.size() > 0) {
      const Operand always = operand(*rest.get<ffi::AnyBuffer>(0));
      require(always.dtype == DType::boolean && always.ends_like(given, 2),
              "always must be bool [..., H, W] like maps");
      known = always.as<const bool>();
      known_of = broadcast_on_device(always.leading(2), batch);
    }
    const std::vector<double> shares(fractions.begin(), fractions.end());
    const index_t count = result.items(2), pixels = given.axis(2) * given.axis(1);
    for_map_type(given, [&](auto zero) {
      using T = decltype(zero);
      T* const thresholds = allocate<T>(scratch, count * static_cast<index_t>(shares.size()));
      check(cuda::reveal_levels(stream, given.as<const T>(), map_of, known, known_of, count, pixels, shares, thresholds,
                                result.as<std::uint16_t>()));
    });
  });
}

ffi::Error top_k_threshold_cuda(Stream stream, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out, double percent) {
  return guarded([&] {
    const Operand given = operand(maps), result = operand(*out);
    require(result.shape == given.shape && result.dtype == given.dtype, "maps and result must be alike: [..., H, W]");
    const index_t pixels = given.axis(2) * given.axis(1);
    for_map_type(given, [&](auto zero) {
      using T = decltype(zero);
      check(cuda::top_k_threshold(stream, given.as<const T>(), given.items(2), pixels, top_count(pixels, percent),
                                  result.as<T>()));
    });
  });
}

ffi::Error reveal_cuda(Stream stream, ffi::ScratchAllocator scratch, ffi::AnyBuffer images, ffi::AnyBuffer levels,
                       ffi::AnyBuffer backgrounds, ffi::Result<ffi::AnyBuffer> out, bool deletion, std::int64_t fill,
                       double, double, std::int64_t) {
  const auto kind = static_cast<Fill>(fill);
  if (kind != Fill::background && kind != Fill::mean)
    return ffi::Error(ffi::ErrorCode::kUnimplemented,
                      "on CUDA reveal fills with a constant, an image or the mean; for other fills pass NumPy arrays");
  return guarded([&] {
    const Operand given = operand(images), ranks = operand(levels), behind = operand(backgrounds),
                  result = operand(*out);
    require(ranks.dtype == DType::uint16 && result.ends_like(given, 3) && ranks.axis(2) == given.axis(3) &&
                ranks.axis(1) == given.axis(2) && behind.axis(1) == given.axis(1),
            "images, levels (uint16), the fill and the result must be of one size");
    require(behind.dtype == given.dtype && result.dtype == given.dtype,
            "the fill and the result must have the dtype of images");
    const auto batch = result.leading(4);
    for_image_type(given, [&](auto zero) {
      using T = decltype(zero);
      cuda::FillArguments<T> a;
      a.image_of = broadcast_on_device(given.leading(3), batch);
      a.level_of = broadcast_on_device(ranks.leading(2), batch);
      a.background_of = broadcast_on_device(behind.leading(3), batch);
      a.images = given.as<const T>();
      a.levels = ranks.as<const std::uint16_t>();
      a.out = result.as<T>();
      a.count = result.items(4);
      a.n_levels = result.axis(4);
      a.pixels = given.axis(3) * given.axis(2);
      a.channels = given.axis(1);
      a.deletion = deletion;
      a.backgrounds = behind.as<const T>();
      a.background_pixels = behind.axis(3) * behind.axis(2);
      if (kind == Fill::mean) {
        const index_t count = given.items(3);
        T* const means = allocate<T>(scratch, count * a.channels);
        check(cuda::channel_means(stream, a.images, count, a.pixels, a.channels, means));
        a.backgrounds = means;
        a.background_of = a.image_of;
        a.background_pixels = 1;
      }
      check(cuda::fill_unknown(stream, a));
    });
  });
}

}  // namespace

}  // namespace xaijax::bindings

namespace ffi = ::xla::ffi;
using CudaStream = ffi::PlatformStream<xaijax::cuda::Stream>;

XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_histogram_entropy, xaijax::bindings::histogram_entropy_cuda,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins")
                                  .Attr<bool>("from_image")
                                  .Attr<double>("low")
                                  .Attr<double>("high"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_mutual_information, xaijax::bindings::mutual_information_cuda,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_reveal_levels, xaijax::bindings::reveal_levels_cuda,
                              ffi::Ffi::Bind()
                                  .Ctx<CudaStream>()
                                  .Ctx<ffi::ScratchAllocator>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const double>>("fractions"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    cuda_ffi_top_k_threshold, xaijax::bindings::top_k_threshold_cuda,
    ffi::Ffi::Bind().Ctx<CudaStream>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().Attr<double>("percent"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cuda_ffi_reveal, xaijax::bindings::reveal_cuda,
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
