// A batch over threads. Items are independent and each is computed by one thread, so results do not depend on
// the number of threads. Used by the NumPy faces; inside XLA the bindings bring XLA's own pool instead.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "xaijax/views.hpp"

namespace xaijax {

// Calls work(state) in the caller and, at the same time, in up to `helpers` threads more; returns when all have returned.
// Helpers that are busy elsewhere or that the system refuses are done without, so `work` must take whatever is left to do.
// It must not throw. Threads are kept for the next call: starting one takes longer than many a kernel does for an image,
// and would lose what a thread keeps (tables of shapes, counters).
void with_helpers(int helpers, void (*work)(void*), void* state);

// Calls task(i) once for each i in [0, count), on at most num_threads threads, the caller being one of them.
// The first exception stops the hand-out of further items and is rethrown in the caller.
template <class Task>
void parallel_for(index_t count, int num_threads, const Task& task) {
  const int threads = static_cast<int>(std::min<index_t>(std::max(num_threads, 1), count));
  if (threads <= 1) {
    for (index_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<index_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_lock;
  auto drain = [&] {
    try {
      for (index_t i = next++; i < count; i = next++) task(i);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(failure_lock);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  with_helpers(threads - 1, [](void* state) { (*static_cast<decltype(drain)*>(state))(); }, &drain);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace xaijax
