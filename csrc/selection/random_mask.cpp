#include "xaijax/random_mask.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace xaijax {

std::uint64_t SplitMix64::next() {
  state_ += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::uint64_t SplitMix64::below(std::uint64_t bound) {
  int bits = 0;
  while (bits < 64 && ((bound - 1) >> bits) != 0) ++bits;
  if (bits == 0) return 0;  // the only answer, and no draw
  for (;;) {
    const std::uint64_t draw = next() >> (64 - bits);
    if (draw < bound) return draw;
  }
}

void random_mask(index_t n, index_t count, std::uint64_t seed, bool* mask) {
  std::fill(mask, mask + n, false);
  SplitMix64 generator(seed);
  std::vector<std::uint32_t> place(static_cast<std::size_t>(n));
  std::iota(place.begin(), place.end(), 0u);
  for (index_t i = 0; i < count; ++i) {
    const auto j = i + static_cast<index_t>(generator.below(static_cast<std::uint64_t>(n - i)));
    std::swap(place[static_cast<std::size_t>(i)], place[static_cast<std::size_t>(j)]);
    mask[place[static_cast<std::size_t>(i)]] = true;
  }
}

}  // namespace xaijax
