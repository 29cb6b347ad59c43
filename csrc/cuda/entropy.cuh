// One block per image: extent, edges, counts in shared memory, entropy.
#pragma once

#include <cmath>

#include "cuda/bins.cuh"

namespace xaijax::cuda {

template <class T>
std::size_t entropy_shared(int bins) {
  using E = typename EdgeOf<T>::type;
  return (static_cast<std::size_t>(bins) + 1) * sizeof(E) + static_cast<std::size_t>(bins) * sizeof(unsigned);
}

template <class T>
__device__ bool entropy_edges(const BlockExtent<T>& values, int bins, const BinRange& range,
                              typename EdgeOf<T>::type* edges) {
  using E = typename EdgeOf<T>::type;
  if (range.from_image) {
    const E low = static_cast<E>(values.smallest), high = static_cast<E>(values.largest);
    const E half = low == high ? E(0.5) : E(0);
    return block_edges<E, E>(low - half, high + half, bins, edges);
  }
  const double half = range.low == range.high ? 0.5 : 0.0;
  return block_edges<double, E>(range.low - half, range.high + half, bins, edges);
}

template <class T, class Real>
__global__ void entropy_kernel(const T* images, index_t count, index_t size, int bins, BinRange range, Real* bits) {
  using E = typename EdgeOf<T>::type;
  E* edges = dynamic_shared<E>();
  unsigned* counts = dynamic_shared<unsigned>((static_cast<std::size_t>(bins) + 1) * sizeof(E));
  const Real none = static_cast<Real>(NAN);
  for (index_t n = blockIdx.x; n < count; n += gridDim.x) {
    const T* image = images + n * size;
    const BlockExtent<T> values = block_extent(image, size, 1);
    const bool usable = entropy_edges<T>(values, bins, range, edges);
    for (int k = static_cast<int>(threadIdx.x); k < bins; k += static_cast<int>(blockDim.x)) counts[k] = 0;
    __syncthreads();
    if (usable && values.finite) {
      for (index_t i = threadIdx.x; i < size; i += blockDim.x) {
        const E value = static_cast<E>(image[i]);
        if (value >= edges[0] && value <= edges[bins]) atomicAdd(&counts[bin_of(value, edges, bins)], 1u);
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      double total = 0.0, entropy = 0.0;
      for (int k = 0; k < bins; ++k) total += counts[k];
      for (int k = 0; k < bins; ++k) {
        if (counts[k] == 0) continue;
        const double p = counts[k] / total;
        entropy -= p * log2(p);
      }
      // A constant image whose edges cannot be told apart still lies in one bin.
      const bool one_bin = !usable && values.finite && range.from_image && values.smallest == values.largest;
      bits[n] = one_bin ? Real(0) : (total > 0.0 ? static_cast<Real>(entropy + 0.0) : none);
    }
    __syncthreads();
  }
}

}  // namespace xaijax::cuda
