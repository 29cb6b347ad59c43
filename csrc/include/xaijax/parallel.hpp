// A batch over threads. Items are independent and each is computed by one thread, so results do not depend on
// the number of threads. Used by the NumPy faces; inside XLA the bindings bring XLA's own pool instead.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

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
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int t = 1; t < threads; ++t) helpers.emplace_back(drain);
  } catch (const std::system_error&) {
    // The system refuses more threads: the ones that started, and the caller, do all the work.
  }
  drain();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace xaijax
