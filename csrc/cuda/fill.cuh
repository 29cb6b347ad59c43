// Fills that need no neighbours: a constant, an image, the mean. Bound by memory: every output value is written once,
// and an image value is read once per level.
#pragma once

#include "cuda/block.cuh"

namespace xaijax::cuda {

template <class T>
__global__ void fill_kernel(const FillArguments<T> a) {
  const index_t per_image = a.pixels * a.channels;
  const index_t total = a.count * per_image;
  for (index_t i = grid_first(); i < total; i += grid_step()) {
    const index_t n = i / per_image, rest = i % per_image, pixel = rest / a.channels, channel = rest % a.channels;
    const T value = a.images[item_of(a.image_of, n) * per_image + rest];
    const index_t behind = a.background_pixels == 1 ? channel : rest;
    const T background = a.backgrounds[item_of(a.background_of, n) * a.background_pixels * a.channels + behind];
    const index_t level = a.levels[item_of(a.level_of, n) * a.pixels + pixel];
    T* out = a.out + n * a.n_levels * per_image + rest;
    for (index_t l = 0; l < a.n_levels; ++l) {
      const bool known = a.deletion ? level == 0 || level > l : level <= l;
      out[l * per_image] = known ? value : background;
    }
  }
}

// One block per image and channel. Integer sums are exact in any order; floating-point sums run in a fixed order.
template <class T>
__global__ void mean_kernel(const T* images, index_t pixels, index_t channels, T* out) {
  __shared__ double float_sums[kBlock];
  __shared__ unsigned long long integer_sums[kBlock];
  constexpr bool integer = sizeof(T) <= 2;
  const index_t image = blockIdx.x, channel = blockIdx.y;
  const T* first = images + image * pixels * channels + channel;
  double float_sum = 0.0;
  unsigned long long integer_sum = 0;
  for (index_t p = threadIdx.x; p < pixels; p += blockDim.x) {
    if constexpr (integer)
      integer_sum += first[p * channels];
    else
      float_sum += static_cast<double>(first[p * channels]);
  }
  float_sums[threadIdx.x] = float_sum;
  integer_sums[threadIdx.x] = integer_sum;
  __syncthreads();
  for (int half = static_cast<int>(blockDim.x) / 2; half > 0; half /= 2) {
    if (static_cast<int>(threadIdx.x) < half) {
      float_sums[threadIdx.x] += float_sums[threadIdx.x + half];
      integer_sums[threadIdx.x] += integer_sums[threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    T& mean = out[image * channels + channel];
    if constexpr (integer) {
      const auto n = static_cast<unsigned long long>(pixels);
      unsigned long long quotient = integer_sums[0] / n;
      const unsigned long long twice = 2 * (integer_sums[0] % n);
      if (twice > n || (twice == n && quotient % 2 == 1)) ++quotient;
      mean = static_cast<T>(quotient);
    } else {
      mean = static_cast<T>(float_sums[0] / static_cast<double>(pixels));
    }
  }
  __syncthreads();
}

}  // namespace xaijax::cuda
