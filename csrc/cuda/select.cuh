// Selection of order statistics by one block: radix select, most significant byte first. Comparison is the total
// order of the floating-point numbers, which a monotone map to unsigned integers turns into integer order.
#pragma once

#include "cuda/block.cuh"

namespace xaijax::cuda {

__device__ inline std::uint32_t ordered(float value) {
  const std::uint32_t bits = __float_as_uint(value == 0.0f ? 0.0f : value);  // -0 and +0 are one value
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ inline std::uint64_t ordered(double value) {
  const auto bits = static_cast<std::uint64_t>(__double_as_longlong(value == 0.0 ? 0.0 : value));
  return bits >> 63 ? ~bits : bits | (std::uint64_t{1} << 63);
}

__device__ inline float from_ordered(std::uint32_t key) {
  return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

__device__ inline double from_ordered(std::uint64_t key) {
  return __longlong_as_double(static_cast<long long>(key >> 63 ? key & ~(std::uint64_t{1} << 63) : ~key));
}

// The value of the given rank (0 = smallest) among size values. All threads of the block call it and get the value.
template <class T>
__device__ T select_rank(const T* values, index_t size, index_t rank) {
  using Key = decltype(ordered(T{}));
  __shared__ unsigned long long counts[256];
  __shared__ unsigned long long remaining_shared;
  __shared__ int digit_shared;
  Key prefix = 0, mask = 0;
  auto remaining = static_cast<unsigned long long>(rank);
  for (int shift = 8 * static_cast<int>(sizeof(Key)) - 8; shift >= 0; shift -= 8) {
    for (int d = static_cast<int>(threadIdx.x); d < 256; d += static_cast<int>(blockDim.x)) counts[d] = 0;
    __syncthreads();
    for (index_t i = threadIdx.x; i < size; i += blockDim.x) {
      const Key key = ordered(values[i]);
      if ((key & mask) == prefix) atomicAdd(&counts[(key >> shift) & 255], 1ull);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int digit = 0;
      while (digit < 255 && remaining >= counts[digit]) remaining -= counts[digit++];
      digit_shared = digit;
      remaining_shared = remaining;
    }
    __syncthreads();
    remaining = remaining_shared;
    prefix |= static_cast<Key>(digit_shared) << shift;
    mask |= static_cast<Key>(255) << shift;
    __syncthreads();
  }
  return from_ordered(prefix);
}

}  // namespace xaijax::cuda
