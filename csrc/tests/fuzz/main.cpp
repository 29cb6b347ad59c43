// usage: fuzz KERNEL|all SECONDS [SEED [CASE]]
// Random cases of one kernel (or each) for so many seconds of the process's CPU time, all threads together, so that
// the work done does not depend on what else the machine does; with CASE that one alone. Exit status 1 at a finding,
// which is printed with the command that repeats it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>

#include "fuzz.hpp"

namespace {

struct Driver {
  const char* name;
  void (*run)(fuzz::Random&);
};

constexpr Driver drivers[] = {
    {"entropy", fuzz::entropy},
    {"mutual_information", fuzz::mutual_information},
    {"levels", fuzz::levels},
    {"random_mask", fuzz::random_mask},
    {"top_k", fuzz::top_k},
    {"similarity", fuzz::similarity},
    {"ebayes", fuzz::ebayes},
    {"regions", fuzz::regions},
    {"localization", fuzz::localization},
    {"linear", fuzz::linear},
    {"nearest", fuzz::nearest},
    {"background", fuzz::background},
    {"noisy_linear", fuzz::noisy_linear},
};
static_assert(std::size(drivers) == XAIJAX_FUZZ_DRIVERS, "the number is in CMakeLists.txt");

bool run_case(const Driver& driver, std::uint64_t seed, std::uint64_t number) {
  try {
    fuzz::Random random(seed, number);
    driver.run(random);
    return true;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\nrepeat: fuzz %s 0 %llu %llu\n", error.what(), driver.name,
                 static_cast<unsigned long long>(seed), static_cast<unsigned long long>(number));
    return false;
  }
}

bool run_for(const Driver& driver, double seconds, std::uint64_t seed) {
  const std::clock_t start = std::clock();
  const auto elapsed = [start] { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; };
  std::uint64_t cases = 0;
  bool good = true;
  do {
    good = run_case(driver, seed, cases++);
  } while (good && elapsed() < seconds);
  std::printf("%s: %llu cases in %.1f s of CPU time, seed %llu%s\n", driver.name,
              static_cast<unsigned long long>(cases), elapsed(), static_cast<unsigned long long>(seed),
              good ? "" : ": FINDING");
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: fuzz KERNEL|all SECONDS [SEED [CASE]]\nkernels:");
    for (const Driver& driver : drivers) std::fprintf(stderr, " %s", driver.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
  const bool all = std::strcmp(argv[1], "all") == 0;
  const double seconds = std::atof(argv[2]);
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  bool found = false, good = true;
  for (const Driver& driver : drivers) {
    if (!all && std::strcmp(argv[1], driver.name) != 0) continue;
    found = true;
    good = (argc > 4 ? run_case(driver, seed, std::strtoull(argv[4], nullptr, 10)) : run_for(driver, seconds, seed)) &&
           good;
  }
  if (!found) std::fprintf(stderr, "no kernel is called %s\n", argv[1]);
  return found && good ? 0 : 1;
}
