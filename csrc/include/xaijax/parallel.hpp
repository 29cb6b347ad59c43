// A batch over threads. Items are independent and each is computed by one thread, so results do not depend on
// the number of threads. Used by the NumPy faces; inside XLA the bindings bring XLA's own pool instead.
#pragma once

#include <functional>

#include "xaijax/views.hpp"

namespace xaijax {

using Task = std::function<void(index_t)>;  // what is done for one item, by its number

// Calls task(i) once for each i in [0, count), on any threads, and returns when all have returned.
using Loop = std::function<void(index_t count, const Task& task)>;

// Calls task(i) once for each i in [0, count), on at most num_threads threads, the caller being one of them.
// The first exception stops the hand-out of further items and is rethrown in the caller.
// Threads are kept for the next call: starting one takes longer than many a kernel does for an image, and would lose
// what a thread keeps (tables of shapes, counters).
void parallel_for(index_t count, int num_threads, const Task& task);

}  // namespace xaijax
