// What the FFI handlers share: batch loops on XLA's own thread pool, dtype dispatch, shape checks.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <string>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

#include "xaijax/views.hpp"
#include "xla/ffi/api/ffi.h"

namespace xaijax::bindings {

namespace ffi = ::xla::ffi;

inline index_t leading(ffi::AnyBuffer::Dimensions shape, std::size_t trailing) {
  index_t count = 1;
  for (std::size_t axis = 0; axis + trailing < shape.size(); ++axis) count *= shape[axis];
  return count;
}

// XLA's threads flush denormal numbers to zero. The kernels do not: the same input gives the same bytes here as from
// NumPy. Restored when the guard goes.
class KeepDenormals {
 public:
#if defined(__SSE2__) || defined(_M_X64)
  KeepDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ & ~0x8040u); }
  ~KeepDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  KeepDenormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
    __asm__ volatile("msr fpcr, %0" : : "r"(saved_ & ~(std::uint64_t{1} << 24)));
  }
  ~KeepDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  std::uint64_t saved_;
#else
  KeepDenormals() = default;
#endif
 public:
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;
};

// Calls task(i) once for each i in [0, count) on XLA's pool. The calling thread drains items too, so the call ends
// even when the pool is busy with other work; a helper that starts late finds nothing left to do.
template <class Task>
ffi::Error pool_for(ffi::ThreadPool pool, index_t count, const Task& task) {
  struct Shared {
    std::atomic<index_t> next{0};
    index_t count = 0;
    const Task* task = nullptr;
    std::mutex lock;
    std::condition_variable idle;
    index_t finished = 0;
    std::string failure;
  };
  auto shared = std::make_shared<Shared>();
  shared->count = count;
  shared->task = &task;  // alive while an item is unfinished: the caller waits for all of them
  auto drain = [](const std::shared_ptr<Shared>& state) {
    const KeepDenormals guard_numbers;
    for (index_t i = state->next++; i < state->count; i = state->next++) {
      std::string failure;
      try {
        (*state->task)(i);
      } catch (const std::exception& error) {
        failure = error.what();
      }
      const std::lock_guard<std::mutex> guard(state->lock);
      if (!failure.empty() && state->failure.empty()) state->failure = failure;
      if (++state->finished == state->count) state->idle.notify_all();
    }
  };
  const index_t helpers = std::min<index_t>(count, static_cast<index_t>(pool.num_threads())) - 1;
  for (index_t h = 0; h < helpers; ++h) pool.Schedule([shared, drain] { drain(shared); });
  drain(shared);
  std::unique_lock<std::mutex> guard(shared->lock);
  shared->idle.wait(guard, [&] { return shared->finished >= shared->count; });
  return shared->failure.empty() ? ffi::Error::Success() : ffi::Error::Internal(shared->failure);
}

// Calls body(T{}) with the C++ type of an image buffer's dtype.
template <class Body>
ffi::Error for_image_dtype(ffi::DataType dtype, const Body& body) {
  switch (dtype) {
    case ffi::DataType::U8:
      return body(std::uint8_t{});
    case ffi::DataType::U16:
      return body(std::uint16_t{});
    case ffi::DataType::F32:
      return body(float{});
    case ffi::DataType::F64:
      return body(double{});
    default:
      return ffi::Error::InvalidArgument("images must be uint8, uint16, float32 or float64");
  }
}

// Writes a float64 result into a float32 or float64 buffer.
inline void store_real(ffi::AnyBuffer buffer, index_t i, double value) {
  if (buffer.element_type() == ffi::DataType::F64)
    static_cast<double*>(buffer.untyped_data())[i] = value;
  else
    static_cast<float*>(buffer.untyped_data())[i] = static_cast<float>(value);
}

inline bool is_real(ffi::DataType dtype) { return dtype == ffi::DataType::F32 || dtype == ffi::DataType::F64; }

}  // namespace xaijax::bindings
