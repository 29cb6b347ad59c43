// Equal bins as csrc/histogram/histogram.cpp makes them: the same edges, and the bin that the edges say.
#pragma once

#include "cuda/block.cuh"
#include "histogram/histogram.hpp"

namespace xaijax::cuda {

__device__ inline bool finite(double value) { return value - value == 0.0; }
__device__ inline bool finite(float value) { return value - value == 0.0f; }

// Smallest and largest value of first[i * stride], i in [0, n), and whether all are finite, for the whole block.
template <class T>
struct BlockExtent {
  T smallest, largest;
  bool finite;
};

template <class T>
__device__ BlockExtent<T> block_extent(const T* first, index_t n, index_t stride) {
  __shared__ T low[kBlock], high[kBlock];
  __shared__ bool good[kBlock];
  T smallest = first[0], largest = first[0];
  bool all_finite = true;
  for (index_t i = threadIdx.x; i < n; i += blockDim.x) {
    const T value = first[i * stride];
    smallest = value < smallest ? value : smallest;
    largest = value > largest ? value : largest;
    if constexpr (sizeof(T) > 2) all_finite = all_finite && finite(value);
  }
  low[threadIdx.x] = smallest;
  high[threadIdx.x] = largest;
  good[threadIdx.x] = all_finite;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      const unsigned other = threadIdx.x + half;
      low[threadIdx.x] = low[other] < low[threadIdx.x] ? low[other] : low[threadIdx.x];
      high[threadIdx.x] = high[other] > high[threadIdx.x] ? high[other] : high[threadIdx.x];
      good[threadIdx.x] = good[threadIdx.x] && good[other];
    }
    __syncthreads();
  }
  const BlockExtent<T> result{low[0], high[0], good[0]};
  __syncthreads();
  return result;
}

// edges[0..bins] of np.linspace(low, high, bins + 1) in C, stored as E; whether they are finite and increase.
template <class C, class E>
__device__ bool block_edges(C low, C high, int bins, E* edges) {
  __shared__ bool good;
  const C delta = high - low;
  const C step = delta / static_cast<C>(bins);
  if (threadIdx.x == 0) good = true;
  for (int k = static_cast<int>(threadIdx.x); k <= bins; k += static_cast<int>(blockDim.x)) {
    const C ramp = static_cast<C>(k);
    const C offset = step == C(0) ? ramp / static_cast<C>(bins) * delta : ramp * step;
    edges[k] = k == bins ? static_cast<E>(high) : static_cast<E>(offset + low);
  }
  __syncthreads();
  for (int k = static_cast<int>(threadIdx.x); k <= bins; k += static_cast<int>(blockDim.x))
    if (!finite(edges[k]) || (k > 0 && !(edges[k - 1] < edges[k]))) good = false;
  __syncthreads();
  const bool result = good;
  __syncthreads();
  return result;
}

// The bin of a value between the first and the last edge: an estimate, moved to where the edges say.
template <class E>
__device__ int bin_of(E value, const E* edges, int bins) {
  const E estimate = (value - edges[0]) / (edges[bins] - edges[0]) * static_cast<E>(bins);
  int k = static_cast<int>(estimate);
  k = k < 0 ? 0 : (k > bins - 1 ? bins - 1 : k);
  while (k > 0 && value < edges[k]) --k;
  while (k < bins - 1 && value >= edges[k + 1]) ++k;
  return k;
}

}  // namespace xaijax::cuda
