// XLA FFI faces: buffers as operands, the loop on XLA's own threads, exceptions as errors.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

#include "operand.hpp"
#include "xaijax/parallel.hpp"
#include "xla/ffi/api/ffi.h"

namespace xaijax::bindings {

namespace ffi = ::xla::ffi;

inline DType dtype_of(ffi::DataType dtype) {
  switch (dtype) {
    case ffi::DataType::PRED:
      return DType::boolean;
    case ffi::DataType::U8:
      return DType::uint8;
    case ffi::DataType::U16:
      return DType::uint16;
    case ffi::DataType::S32:
      return DType::int32;
    case ffi::DataType::U32:
      return DType::uint32;
    case ffi::DataType::S64:
      return DType::int64;
    case ffi::DataType::U64:
      return DType::uint64;
    case ffi::DataType::F32:
      return DType::float32;
    case ffi::DataType::F64:
      return DType::float64;
    default:
      return DType::other;
  }
}

inline Operand operand(ffi::AnyBuffer buffer) {
  const auto shape = buffer.dimensions();
  return {dtype_of(buffer.element_type()), {shape.begin(), shape.end()}, buffer.untyped_data()};
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

// A loop on XLA's pool. The calling thread takes items too, so the loop ends even when the pool is busy with other
// work; a helper that starts late finds nothing left to do.
inline Loop pool_loop(ffi::ThreadPool pool) {
  return [pool](index_t count, const Task& task) mutable {
    struct Shared {
      std::atomic<index_t> next{0};
      index_t count = 0;
      const Task* task = nullptr;
      std::mutex lock;
      std::condition_variable idle;
      index_t finished = 0;
      std::exception_ptr failure;
    };
    auto shared = std::make_shared<Shared>();
    shared->count = count;
    shared->task = &task;  // alive while an item is unfinished: the caller waits for all of them
    auto drain = [](const std::shared_ptr<Shared>& state) {
      const KeepDenormals guard_numbers;
      for (index_t i = state->next++; i < state->count; i = state->next++) {
        std::exception_ptr failure;
        try {
          (*state->task)(i);
        } catch (...) {
          failure = std::current_exception();
        }
        const std::lock_guard<std::mutex> guard(state->lock);
        if (failure && !state->failure) state->failure = failure;
        if (++state->finished == state->count) state->idle.notify_all();
      }
    };
    const index_t helpers = std::min<index_t>(count, static_cast<index_t>(pool.num_threads())) - 1;
    for (index_t h = 0; h < helpers; ++h) pool.Schedule([shared, drain] { drain(shared); });
    drain(shared);
    std::unique_lock<std::mutex> guard(shared->lock);
    shared->idle.wait(guard, [&] { return shared->finished >= shared->count; });
    if (shared->failure) std::rethrow_exception(shared->failure);
  };
}

// Runs a handler's body.
template <class Body>
ffi::Error guarded(const Body& body) {
  const KeepDenormals guard_numbers;
  try {
    body();
    return ffi::Error::Success();
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "no memory");
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

}  // namespace xaijax::bindings
