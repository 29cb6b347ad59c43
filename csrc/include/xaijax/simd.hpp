// Which instruction set the kernels run on: chosen when the program is loaded, without effect on results.
#pragma once

namespace xaijax {

// "avx512f", "avx2" or "baseline"; "compiler default" where there is one build for all processors.
const char* simd_level();

}  // namespace xaijax
