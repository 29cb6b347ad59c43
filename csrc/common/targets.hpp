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
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define XAIJAX_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define XAIJAX_SANITIZED 1
#endif
#if XAIJAX_HAS_TARGETS && !defined(XAIJAX_SANITIZED)
#define XAIJAX_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#define XAIJAX_HAS_SIMD_CHOICE 1
#else
#define XAIJAX_SIMD
#define XAIJAX_HAS_SIMD_CHOICE 0
#endif

// What a function marked XAIJAX_SIMD calls is compiled for each instruction set only when it is inlined:
// XAIJAX_FLATTEN inlines every call, as far down as possible, except of functions marked XAIJAX_SCALAR, which gain
// nothing from wider registers. Clang refuses it next to several instruction sets; it inlines small functions by itself
// and leaves the others at the baseline (the ranking of localization_scores and the search of top_k_threshold).
#if defined(__clang__) && XAIJAX_HAS_SIMD_CHOICE
#define XAIJAX_FLATTEN
#define XAIJAX_SCALAR __attribute__((noinline))
#elif defined(__GNUC__)
#define XAIJAX_FLATTEN __attribute__((flatten))
#define XAIJAX_SCALAR __attribute__((noinline))
#else
#define XAIJAX_FLATTEN
#define XAIJAX_SCALAR
#endif
