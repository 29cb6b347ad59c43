// Launchers of the CUDA kernels: device pointers in, device pointers out, on the caller's stream. Nothing here
// allocates, copies or synchronises. Each launcher returns nullptr or a message. Definitions are those of the CPU
// kernels of the same name; sums of floating-point numbers run in another fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "xaijax/entropy.hpp"
#include "xaijax/views.hpp"

struct CUstream_st;

namespace xaijax::cuda {

using Stream = CUstream_st*;

// Which item of an operand belongs to result number i, when leading axes broadcast. Passed to kernels by value.
struct Broadcast {
  static constexpr int max_axes = 8;
  int axes = 0;
  index_t length[max_axes] = {};  // of the result
  index_t step[max_axes] = {};    // of the operand, in items; 0 where it has one item for all
};

// Entropy of each image, [count]. Real: float or double.
template <class T, class Real>
const char* histogram_entropy(Stream stream, const T* images, index_t count, index_t size, int bins, BinRange range,
                              Real* bits);

// Mutual information of image item(i) and reference item(i) for each of count results.
template <class T, class Real>
const char* mutual_information(Stream stream, const T* images, Broadcast image_of, const T* references,
                               Broadcast reference_of, index_t count, index_t pixels, index_t channels, int bins,
                               Real* bits);

// Levels of each map, [count, pixels]; `always` may be null. `thresholds` is scratch for count * fractions values.
template <class T>
const char* reveal_levels(Stream stream, const T* maps, Broadcast map_of, const bool* always, Broadcast always_of,
                          index_t count, index_t pixels, const std::vector<double>& fractions, T* thresholds,
                          std::uint16_t* levels);

// Keeps map values at least the k-th largest of each map and zeroes the rest. T: float, double.
template <class T>
const char* top_k_threshold(Stream stream, const T* maps, index_t count, index_t pixels, index_t k, T* out);

// out[n, l, p, c] = known(levels[n, p], l) ? image[p, c] : background[p, c]. A background of one pixel serves all
// pixels. In deletion a pixel is known while its level is 0 or greater than l, in insertion when it is at most l.
template <class T>
struct FillArguments {
  const T* images = nullptr;
  const std::uint16_t* levels = nullptr;
  const T* backgrounds = nullptr;
  T* out = nullptr;
  Broadcast image_of, level_of, background_of;
  index_t count = 0;
  index_t n_levels = 0;
  index_t pixels = 0;
  index_t background_pixels = 1;
  index_t channels = 0;
  bool deletion = false;
};

template <class T>
const char* fill_unknown(Stream stream, const FillArguments<T>& arguments);

// Mean of each image's channel, [images, channels]; integers are the exact mean rounded half to even.
template <class T>
const char* channel_means(Stream stream, const T* images, index_t count, index_t pixels, index_t channels, T* out);

}  // namespace xaijax::cuda
