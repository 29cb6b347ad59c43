// Run-time choice of the instruction set. A function marked XAIJAX_SIMD is compiled for the baseline, AVX2 and
// AVX-512, and the loader picks; results do not depend on the choice because contraction is off (CMakeLists.txt).
// XAIJAX_BASELINE_ONLY leaves the baseline alone, so that instructions can be counted the same on every machine.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(XAIJAX_BASELINE_ONLY) && \
    (!defined(__clang__) || __clang_major__ >= 14)
#define XAIJAX_HAS_TARGETS 1  // an instruction set can be asked for by name, where the processor has it
#else
#define XAIJAX_HAS_TARGETS 0
#endif

// The loader picks before the sanitizers are ready.
#if XAIJAX_HAS_TARGETS && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define XAIJAX_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#define XAIJAX_HAS_SIMD_CHOICE 1
#else
#define XAIJAX_SIMD
#define XAIJAX_HAS_SIMD_CHOICE 0
#endif

// What a function marked XAIJAX_SIMD calls is compiled for each instruction set only when it is inlined.
#if defined(__GNUC__)
#define XAIJAX_FLATTEN __attribute__((flatten))   // inline every call, as far down as possible
#define XAIJAX_SCALAR __attribute__((noinline))   // except of what gains nothing from wider registers
#else
#define XAIJAX_FLATTEN
#define XAIJAX_SCALAR
#endif
