// One block per image: for each channel the joint histogram with the reference in shared memory, then the three sums.
#pragma once

#include <cmath>

#include "cuda/bins.cuh"

namespace xaijax::cuda {

// Edges and joint histogram of one channel have to fit into shared memory.
template <class T>
std::size_t joint_shared(int bins) {
  using E = typename EdgeOf<T>::type;
  const auto b = static_cast<std::size_t>(bins);
  return (b + 1) * sizeof(E) + b * b * sizeof(unsigned);
}

__device__ inline double n_log2_n(unsigned n) { return n > 1 ? n * log2(static_cast<double>(n)) : 0.0; }

// Sum over the block of each thread's value, in a fixed order.
__device__ inline double block_sum(double value) {
  __shared__ double sums[kBlock];
  sums[threadIdx.x] = value;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  const double sum = sums[0];
  __syncthreads();
  return sum;
}

template <class T, class Real>
__global__ void mutual_information_kernel(const T* images, Broadcast image_of, const T* references,
                                          Broadcast reference_of, index_t count, index_t pixels, index_t channels,
                                          int bins, Real* bits) {
  using E = typename EdgeOf<T>::type;
  E* edges = dynamic_shared<E>();
  unsigned* joint = dynamic_shared<unsigned>((static_cast<std::size_t>(bins) + 1) * sizeof(E));
  for (index_t n = blockIdx.x; n < count; n += gridDim.x) {
    const T* image = images + item_of(image_of, n) * pixels * channels;
    const T* reference = references + item_of(reference_of, n) * pixels * channels;
    double sum = 0.0;
    bool valid = block_extent(image, pixels * channels, 1).finite;
    for (index_t c = 0; c < channels && valid; ++c) {
      const BlockExtent<T> range = block_extent(reference + c, pixels, channels);
      valid = range.finite;
      if (!valid || range.smallest == range.largest) continue;
      valid = block_edges<E, E>(static_cast<E>(range.smallest), static_cast<E>(range.largest), bins, edges);
      if (!valid) continue;
      for (int k = static_cast<int>(threadIdx.x); k < bins * bins; k += static_cast<int>(blockDim.x)) joint[k] = 0;
      __syncthreads();
      for (index_t i = threadIdx.x; i < pixels; i += blockDim.x) {
        const E x = static_cast<E>(reference[i * channels + c]), y = static_cast<E>(image[i * channels + c]);
        const E inside = y < edges[0] ? edges[0] : (y > edges[bins] ? edges[bins] : y);
        atomicAdd(&joint[bin_of(x, edges, bins) * bins + bin_of(inside, edges, bins)], 1u);
      }
      __syncthreads();
      double of_joint = 0.0, of_x = 0.0, of_y = 0.0;
      for (int a = static_cast<int>(threadIdx.x); a < bins; a += static_cast<int>(blockDim.x)) {
        unsigned row = 0, column = 0;
        for (int b = 0; b < bins; ++b) {
          row += joint[a * bins + b];
          column += joint[b * bins + a];
          of_joint += n_log2_n(joint[a * bins + b]);
        }
        of_x += n_log2_n(row);
        of_y += n_log2_n(column);
      }
      of_joint = block_sum(of_joint);
      of_x = block_sum(of_x);
      of_y = block_sum(of_y);
      const double total = static_cast<double>(pixels), log_total = log2(total);
      const double entropy_x = log_total - of_x / total, entropy_y = log_total - of_y / total;
      const double least = entropy_x < entropy_y ? entropy_x : entropy_y;
      const double information = log_total + (of_joint - of_x - of_y) / total;
      sum += information < 0.0 ? 0.0 : (information < least ? information : least);
    }
    if (threadIdx.x == 0) bits[n] = static_cast<Real>(valid ? sum / static_cast<double>(channels) : NAN);
    __syncthreads();
  }
}

}  // namespace xaijax::cuda
