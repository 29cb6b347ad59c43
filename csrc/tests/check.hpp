// The few lines a C++ test needs: CHECK counts, report() prints the closing line and gives the exit status.
#pragma once

#include <cstdio>

namespace check {

inline int passed = 0;
inline int failed = 0;

inline void that(bool good, const char* what, const char* file, int line) {
  good ? ++passed : ++failed;
  if (!good) std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

inline int report() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(...) check::that(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
