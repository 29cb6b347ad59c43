// Thresholds by selection, a block for each map and fraction; then levels, a thread for each pixel.
#pragma once

#include <cmath>

#include "cuda/select.cuh"

namespace xaijax::cuda {

// Fractions travel as a kernel argument, so that nothing has to be copied to the device.
struct Fractions {
  static constexpr int most = 64;
  double values[most] = {};
  int count = 0;
  int first = 0;
};

// np.quantile(map, 1 - fraction), "linear", interpolated in T; NaN for a map that holds NaN.
template <class T>
__global__ void threshold_kernel(const T* maps, Broadcast map_of, index_t count, index_t pixels, Fractions fractions,
                                 int n_fractions, T* thresholds) {
  __shared__ bool holds_nan;
  for (index_t n = blockIdx.x; n < count; n += gridDim.x) {
    const T* map = maps + item_of(map_of, n) * pixels;
    const double position = static_cast<double>(pixels - 1) * (1.0 - fractions.values[blockIdx.y]);
    const bool at_end = position >= static_cast<double>(pixels - 1);
    const auto previous = at_end ? pixels - 1 : static_cast<index_t>(floor(position));
    // NumPy's index -1 for the last value enters its weight.
    const double weight = at_end ? position + 1.0 : position - floor(position);
    if (threadIdx.x == 0) holds_nan = false;
    __syncthreads();
    for (index_t i = threadIdx.x; i < pixels; i += blockDim.x)
      if (map[i] != map[i]) holds_nan = true;
    const T a = select_rank(map, pixels, previous);
    const T b = at_end ? a : select_rank(map, pixels, previous + 1);
    if (threadIdx.x == 0) {
      const T difference = b - a;
      const T value =
          weight >= 0.5 ? b - difference * static_cast<T>(1.0 - weight) : a + difference * static_cast<T>(weight);
      thresholds[n * n_fractions + fractions.first + static_cast<int>(blockIdx.y)] =
          holds_nan ? static_cast<T>(NAN) : value;
    }
    __syncthreads();
  }
}

// A pixel stays revealed: the running minimum of the thresholds, of which NaN reveals nothing.
template <class T>
__global__ void levels_kernel(const T* maps, Broadcast map_of, const bool* always, Broadcast always_of, index_t count,
                              index_t pixels, int n_fractions, const T* thresholds, std::uint16_t* levels) {
  for (index_t i = grid_first(); i < count * pixels; i += grid_step()) {
    const index_t n = i / pixels, pixel = i % pixels;
    const T value = maps[item_of(map_of, n) * pixels + pixel];
    unsigned level = 1;
    T lowest = static_cast<T>(NAN);
    for (int k = 0; k < n_fractions; ++k) {
      const T threshold = thresholds[n * n_fractions + k];
      if (!(threshold > lowest) && threshold == threshold) lowest = threshold;
      level += value >= lowest ? 0 : 1;
    }
    const bool known = always != nullptr && always[item_of(always_of, n) * pixels + pixel];
    levels[i] = static_cast<std::uint16_t>(known ? 0 : level);
  }
}

}  // namespace xaijax::cuda
