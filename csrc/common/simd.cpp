#include "xaijax/simd.hpp"

#include "common/targets.hpp"

namespace xaijax {

const char* simd_level() {
#if XAIJAX_HAS_SIMD_CHOICE
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return "avx512f";
  if (__builtin_cpu_supports("avx2")) return "avx2";
  return "baseline";
#else
  return "compiler default";
#endif
}

}  // namespace xaijax
