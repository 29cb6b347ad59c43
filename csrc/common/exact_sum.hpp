// Sums of values in [0, 1] that do not depend on the order of the terms: fixed point, 46 fractional bits.
// A sum read in another order (a flipped map, other vector widths) has the same bytes; the error of a term is at
// most 2^-47.
#pragma once

#include <cstdint>
#include <cstring>

#include "xaijax/views.hpp"

namespace xaijax {

// value * 2^46 rounded to an integer, for values in [0, 1]: the low bits of the mantissa after adding 2^52.
inline std::uint64_t fixed_point(double value) {
  const double shifted = value * 0x1p46 + 0x1p52;
  std::uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits & 0x000fffffffffffffull;
}

class ExactSum {
 public:
  static constexpr index_t block = 1 << 16;  // so many terms of at most 2^46 fit 64 bits

  // Adds the sum of at most `block` terms.
  void add(std::uint64_t terms) {
    low_ += terms & 0xffffffffull;
    high_ += terms >> 32;
  }

  double value() const {
    const std::uint64_t carried = high_ + (low_ >> 32);
    return (static_cast<double>(carried) * 0x1p32 + static_cast<double>(low_ & 0xffffffffull)) * 0x1p-46;
  }

 private:
  std::uint64_t high_ = 0, low_ = 0;
};

}  // namespace xaijax
