// What every kernel of this folder includes. The kernels are plain per-thread code, so that the C++ tests can run
// them without a GPU, a thread of the processor for each thread of a block (csrc/tests/cuda_on_cpu.hpp).
#pragma once

#ifdef XAIJAX_CUDA_ON_CPU
#include "cuda_on_cpu.hpp"
#else
#include <cuda_runtime.h>
#endif

#include <cstdint>

#include "xaijax/cuda.hpp"

namespace xaijax::cuda {

constexpr int kBlock = 256;

#ifndef XAIJAX_CUDA_ON_CPU
// Enough blocks for a grid-stride loop over n items.
inline unsigned blocks_for(index_t n) {
  const index_t blocks = (n + kBlock - 1) / kBlock;
  return static_cast<unsigned>(blocks < 65535 ? (blocks > 0 ? blocks : 1) : 65535);
}

inline const char* launch_status() {
  const cudaError_t status = cudaGetLastError();
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}
#endif

// The item of an operand that belongs to result number i.
__device__ inline index_t item_of(const Broadcast& broadcast, index_t i) {
  index_t item = 0;
  for (int axis = broadcast.axes - 1; axis >= 0; --axis) {
    item += i % broadcast.length[axis] * broadcast.step[axis];
    i /= broadcast.length[axis];
  }
  return item;
}

// Shared memory whose size the launch gives, as an array of T that starts `offset` bytes in.
template <class T>
__device__ T* dynamic_shared(std::size_t offset = 0) {
#ifdef XAIJAX_CUDA_ON_CPU
  return reinterpret_cast<T*>(cuda_on_cpu::dynamic_shared + offset);
#else
  extern __shared__ __align__(16) unsigned char memory[];
  return reinterpret_cast<T*>(memory + offset);
#endif
}

constexpr std::size_t kDynamicShared = 48 << 10;  // what every device offers without asking

// First item and step of a grid-stride loop.
__device__ inline index_t grid_first() { return static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline index_t grid_step() { return static_cast<index_t>(gridDim.x) * blockDim.x; }

}  // namespace xaijax::cuda
