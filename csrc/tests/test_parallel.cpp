#include "xaijax/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "check.hpp"

namespace {

using xaijax::index_t;
using xaijax::parallel_for;

bool each_once(index_t count, int threads) {
  std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
  parallel_for(count, threads, [&](index_t i) { ++calls[static_cast<std::size_t>(i)]; });
  return std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 1; });
}

void items() {
  for (const index_t count : {0, 1, 2, 3, 64, 1000})
    for (const int threads : {-1, 0, 1, 2, 3, 7, 64}) CHECK(each_once(count, threads));
}

void exceptions() {
  for (const int threads : {1, 2, 5})
    for (const index_t bad : {0, 17, 99}) {
      std::string what;
      try {
        parallel_for(100, threads, [bad](index_t i) {
          if (i == bad) throw std::runtime_error("item " + std::to_string(i));
        });
      } catch (const std::runtime_error& error) {
        what = error.what();
      }
      CHECK(what == "item " + std::to_string(bad));
      CHECK(each_once(50, threads));  // and the threads still work
    }
}

// Several callers share the helpers, and a task may itself be a batch.
void many_callers() {
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&good, c] {
      for (int turn = 0; turn < 50; ++turn) good += each_once(20 + turn, 2 + c);
    });
  for (auto& caller : callers) caller.join();
  CHECK(good == 300);
  std::atomic<int> inner{0};
  parallel_for(8, 4, [&inner](index_t) { parallel_for(16, 3, [&inner](index_t) { ++inner; }); });
  CHECK(inner == 128);
}

// A child has none of its parent's threads. (Sanitizers do not follow a process with threads through fork.)
void after_fork() {
#if (defined(__unix__) || defined(__APPLE__)) && !defined(__SANITIZE_THREAD__)
  CHECK(each_once(100, 3));
  const pid_t child = fork();
  if (child == 0) _exit(each_once(100, 3) && each_once(100, 3) ? 0 : 1);
  int status = 1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(each_once(100, 3));
#endif
}

}  // namespace

int main() {
  items();
  exceptions();
  many_callers();
  after_fork();
  return check::report();
}
