#include "xaijax/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace xaijax {

namespace {

long process() {
#if defined(__unix__) || defined(__APPLE__)
  return static_cast<long>(getpid());
#else
  return 0;
#endif
}

using Clock = std::chrono::steady_clock;

// To be woken takes as long as an image or two: until then it is better to look again.
template <class Condition>
void wait_awake(const Condition& holds, Clock::duration longest) {
  const auto end = Clock::now() + longest;
  while (!holds() && Clock::now() < end) std::this_thread::yield();
}

using Work = std::function<void()>;  // must not throw

struct Job {
  Job(const Work& work_, int wanted_) : work(work_), wanted(wanted_) {}

  const Work& work;
  int wanted;                    // helpers that may still join
  std::atomic<int> working = 0;  // helpers that have not returned
  std::condition_variable returned;
};

class Helpers {
 public:
  const long of_process = process();

  // Calls work() in the caller and, at the same time, in up to `helpers` threads more; returns when all have returned.
  // Helpers that are busy elsewhere or that the system refuses are done without, so `work` must take whatever is left
  // to do.
  void run(int helpers, const Work& work) {
    Job job(work, helpers);
    {
      const std::lock_guard<std::mutex> guard(lock_);
      jobs_.push_back(&job);
      open_ = true;
      start();
    }
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
    work();
    std::unique_lock<std::mutex> guard(lock_);
    withdraw(job);
    guard.unlock();
    wait_awake([&job] { return job.working == 0; }, std::chrono::microseconds(200));
    guard.lock();
    job.returned.wait(guard, [&job] { return job.working == 0; });
  }

 private:
  // As many idle threads as all jobs want, up to what the processor has (or a few more: a caller may ask for it).
  void start() {
    const int most = std::max(static_cast<int>(std::thread::hardware_concurrency()) - 1, 15);
    int wanted = 0;
    for (const Job* job : jobs_) wanted += job->wanted;
    try {
      for (; idle_ < wanted && threads_ < most; ++idle_, ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // The system refuses more threads: the ones that started, and the caller, do all the work.
    }
  }

  void withdraw(Job& job) {
    job.wanted = 0;
    jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), &job), jobs_.end());
    open_ = !jobs_.empty();
  }

  void serve() {
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
      if (jobs_.empty()) {  // the next call often comes at once
        guard.unlock();
        wait_awake([this] { return open_.load(); }, std::chrono::microseconds(100));
        guard.lock();
      }
      wake_.wait(guard, [this] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      ++job.working;
      if (--job.wanted == 0) withdraw(job);
      --idle_;
      guard.unlock();
      job.work();
      guard.lock();
      ++idle_;
      if (--job.working == 0) job.returned.notify_one();  // and is gone once the lock is free
    }
  }

  std::mutex lock_;
  std::condition_variable wake_;
  std::vector<Job*> jobs_;         // those that want helpers
  std::atomic<bool> open_{false};  // whether there are any, to be read without the lock
  int idle_ = 0, threads_ = 0;
};

// Never destroyed: its threads wait until the process ends. A forked process has none of them, and whatever lock they
// held stays locked, so it starts anew.
Helpers& helpers_of_process() {
  static std::atomic<Helpers*> current{nullptr};
  Helpers* found = current.load();
  if (found && found->of_process == process()) return *found;
  auto* const fresh = new Helpers;
  if (current.compare_exchange_strong(found, fresh)) return *fresh;
  delete fresh;
  return *found;
}

}  // namespace

void parallel_for(index_t count, int num_threads, const Task& task) {
  const int threads = static_cast<int>(std::min<index_t>(std::max(num_threads, 1), count));
  if (threads <= 1) {
    for (index_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<index_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_lock;
  const Work drain = [&] {
    try {
      for (index_t i = next++; i < count; i = next++) task(i);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(failure_lock);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  helpers_of_process().run(threads - 1, drain);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace xaijax
