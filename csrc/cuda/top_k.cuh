// One block per map: the k-th largest value by selection, then everything below it becomes zero. A map that holds NaN
// becomes NaN everywhere.
#pragma once

#include <cmath>

#include "cuda/select.cuh"

namespace xaijax::cuda {

template <class T>
__global__ void top_k_kernel(const T* maps, index_t count, index_t pixels, index_t k, T* out) {
  __shared__ bool holds_nan;
  for (index_t n = blockIdx.x; n < count; n += gridDim.x) {
    const T* map = maps + n * pixels;
    if (threadIdx.x == 0) holds_nan = false;
    __syncthreads();
    for (index_t i = threadIdx.x; i < pixels; i += blockDim.x)
      if (map[i] != map[i]) holds_nan = true;
    const T threshold = select_rank(map, pixels, pixels - k);
    for (index_t i = threadIdx.x; i < pixels; i += blockDim.x) {
      const T value = map[i];
      out[n * pixels + i] = holds_nan ? static_cast<T>(NAN) : (value >= threshold ? value : T{0});
    }
    __syncthreads();
  }
}

}  // namespace xaijax::cuda
