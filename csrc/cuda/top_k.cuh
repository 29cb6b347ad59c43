// One block per map: the k-th largest value by selection, then everything below it becomes zero.
#pragma once

#include "cuda/select.cuh"

namespace xaijax::cuda {

template <class T>
__global__ void top_k_kernel(const T* maps, index_t count, index_t pixels, index_t k, T* out) {
  for (index_t n = blockIdx.x; n < count; n += gridDim.x) {
    const T* map = maps + n * pixels;
    const T threshold = select_rank(map, pixels, pixels - k);
    for (index_t i = threadIdx.x; i < pixels; i += blockDim.x) {
      const T value = map[i];
      out[n * pixels + i] = value >= threshold ? value : T{0};
    }
  }
}

}  // namespace xaijax::cuda
