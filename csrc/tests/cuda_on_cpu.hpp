// The part of CUDA's execution model that the kernels in csrc/cuda use, on the processor: blocks one after another,
// a thread for each thread of a block, barriers, shared memory as statics. For tests of the kernels' logic only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __restrict__

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};
inline thread_local Index3 threadIdx;
inline Index3 blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {

class Barrier {
 public:
  void reset(unsigned threads) { threads_ = threads; }
  void wait() {
    std::unique_lock<std::mutex> guard(lock_);
    const auto generation = generation_;
    if (++arrived_ == threads_) {
      arrived_ = 0;
      ++generation_;
      all_here_.notify_all();
    } else {
      all_here_.wait(guard, [&] { return generation != generation_; });
    }
  }

 private:
  std::mutex lock_;
  std::condition_variable all_here_;
  unsigned threads_ = 0, arrived_ = 0;
  unsigned long long generation_ = 0;
};

inline Barrier barrier;
alignas(16) inline unsigned char dynamic_shared[48 << 10];

// kernel<<<(grid_x, grid_y), threads>>>(arguments...)
template <class Kernel, class... Arguments>
void launch(unsigned grid_x, unsigned grid_y, unsigned threads, Kernel kernel, Arguments... arguments) {
  gridDim = {grid_x, grid_y, 1};
  blockDim = {threads, 1, 1};
  for (unsigned y = 0; y < grid_y; ++y) {
    for (unsigned x = 0; x < grid_x; ++x) {
      blockIdx = {x, y, 0};
      barrier.reset(threads);
      std::vector<std::thread> block;
      for (unsigned t = 0; t < threads; ++t) {
        block.emplace_back([=] {
          threadIdx = {t, 0, 0};
          kernel(arguments...);
        });
      }
      for (auto& thread : block) thread.join();
    }
  }
}

}  // namespace cuda_on_cpu

inline void __syncthreads() { cuda_on_cpu::barrier.wait(); }

template <class T>
T atomicAdd(T* address, T value) {
  static std::mutex lock;
  const std::lock_guard<std::mutex> guard(lock);
  const T old = *address;
  *address = old + value;
  return old;
}

template <class To, class From>
To bits_of(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline std::uint32_t __float_as_uint(float value) { return bits_of<std::uint32_t>(value); }
inline float __uint_as_float(std::uint32_t bits) { return bits_of<float>(bits); }
inline long long __double_as_longlong(double value) { return bits_of<long long>(value); }
inline double __longlong_as_double(long long bits) { return bits_of<double>(bits); }
