// A random set of exactly `count` of n pixels, the same on every platform.
//
// Generator: SplitMix64 from the seed (Steele, Lea, Flood, OOPSLA 2014). A number below m: the top bits of one draw,
// as many as m - 1 has, again until it is below m. Selection: the first `count` steps of a Fisher-Yates shuffle of
// 0..n-1, step i swapping place i with place i + below(n - i).
#pragma once

#include <cstdint>

#include "xaijax/views.hpp"

namespace xaijax {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  // Uniform in [0, bound), bound >= 1.
  std::uint64_t below(std::uint64_t bound);

 private:
  std::uint64_t state_;
};

// mask[0..n): exactly count true, every such set equally likely. 0 <= count <= n < 2^32.
void random_mask(index_t n, index_t count, std::uint64_t seed, bool* mask);

}  // namespace xaijax
