#include "cuda/fill.cuh"

namespace xaijax::cuda {

template <class T>
const char* fill_unknown(Stream stream, const FillArguments<T>& arguments) {
  const index_t total = arguments.count * arguments.pixels * arguments.channels;
  if (total == 0) return nullptr;
  fill_kernel<T><<<blocks_for(total), kBlock, 0, stream>>>(arguments);
  return launch_status();
}

template <class T>
const char* channel_means(Stream stream, const T* images, index_t count, index_t pixels, index_t channels, T* out) {
  if (count * channels == 0) return nullptr;
  if (channels > 65535) return "images must have at most 65535 channels";
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(channels));
  mean_kernel<T><<<grid, kBlock, 0, stream>>>(images, pixels, channels, out);
  return launch_status();
}

#define XAIJAX_INSTANTIATE(T)                                         \
  template const char* fill_unknown(Stream, const FillArguments<T>&); \
  template const char* channel_means(Stream, const T*, index_t, index_t, index_t, T*);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax::cuda
