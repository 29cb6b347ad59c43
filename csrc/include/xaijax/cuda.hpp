// Launchers of the CUDA kernels: device pointers in, device pointers out, on the caller's stream. Nothing here
// allocates or synchronises; scratch memory is the caller's and its size is asked for first. Each launcher returns
// nullptr or the CUDA runtime's message. Results are those of the CPU kernels of the same name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "xaijax/views.hpp"

struct CUstream_st;

namespace xaijax::cuda {

using Stream = CUstream_st*;

// Keeps map values at least the k-th largest of each map and zeroes the rest. T: float, double.
template <class T>
const char* top_k_threshold(Stream stream, const T* maps, index_t count, index_t pixels, index_t k, T* out);

// What an unknown pixel becomes: the same for all images, one value per image and channel, or a whole image.
enum class FillSource { per_channel, per_image_channel, image };

// out[n, l, p, c] = known(levels[n, p], l) ? images[n, p, c] : fill. Image n / maps_per_image is the n-th map's.
// In deletion a pixel is known while its level is greater than l, in insertion when it is at most l.
template <class T>
struct FillArguments {
  const T* images = nullptr;
  const std::uint16_t* levels = nullptr;
  const T* fill = nullptr;  // [channels], [images, channels] or [images, pixels, channels], see source
  FillSource source = FillSource::per_channel;
  T* out = nullptr;
  index_t maps = 0;
  index_t maps_per_image = 1;
  index_t n_levels = 0;
  index_t pixels = 0;
  index_t channels = 0;
  bool deletion = false;
};

template <class T>
const char* fill_unknown(Stream stream, const FillArguments<T>& arguments);

// Mean of each image's channel, [images, channels]; integers are the exact mean rounded half to even.
template <class T>
const char* channel_means(Stream stream, const T* images, index_t count, index_t pixels, index_t channels, T* out);

}  // namespace xaijax::cuda
