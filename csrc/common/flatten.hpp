// For functions marked XAIJAX_SIMD: what they call is compiled for each instruction set only when it is inlined.
#pragma once

#if defined(__GNUC__)
#define XAIJAX_FLATTEN __attribute__((flatten))   // inline every call, as far down as possible
#define XAIJAX_SCALAR __attribute__((noinline))   // except of what gains nothing from wider registers
#else
#define XAIJAX_FLATTEN
#define XAIJAX_SCALAR
#endif
