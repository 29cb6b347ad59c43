// The estimate is g(v) = (v - low) * scale in units of 2^-16 bins, low moved down a little, so that
//     k <= g(edge[k]) < k + near    for every edge, which the constructor looks up.
// g is monotone in rounded arithmetic too. A value with integer part k whose fraction is at least `near` is in bin k:
// it is not below edge[k], or g(v) <= g(edge[k]) < k + near, nor at edge[k + 1] or above, or g(v) >= k + 1.
#include "histogram/byte_bins.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/targets.hpp"

namespace xaijax {

namespace {

constexpr int bits = 16;
constexpr float one = 1 << bits;
constexpr std::int32_t fraction = (1 << bits) - 1;

// Sixteen lanes, which take values 0 to 15 of a run, 16 to 31 and so on: no bytes are moved between lanes.
constexpr int lanes = 16;

void pack(const std::int32_t* bin, std::uint8_t* out) {
  for (int i = 0; i < lanes; ++i) {
    const std::int32_t word = bin[i] | bin[lanes + i] << 8 | bin[2 * lanes + i] << 16 |
                              static_cast<std::int32_t>(static_cast<std::uint32_t>(bin[3 * lanes + i]) << 24);
    std::memcpy(out + 4 * i, &word, sizeof word);
  }
}

// Whole runs; unclear[r] < 0 tells that run r has a value that is not clear. The ends, often the most frequent values,
// are clear: estimates are kept half a bin inside, as integers, whose order is that of positive floats.
XAIJAX_SIMD void estimate(const float* values, index_t runs, float low, float scale, std::int32_t near, int bins,
                          std::uint8_t* out, std::int32_t* unclear) {
  constexpr index_t run = ByteBinner::run;
  const float half = 0.5f * one, end = (static_cast<float>(bins) - 0.5f) * one;
  std::int32_t first, last;
  std::memcpy(&first, &half, sizeof first);
  std::memcpy(&last, &end, sizeof last);
  for (index_t r = 0; r < runs; ++r, values += run, out += run) {
    std::int32_t found = 0;
    std::uint32_t packed[lanes];
    for (int i = 0; i < lanes; ++i) {
      std::uint32_t word = 0;
      for (int part = 0; part < 4; ++part) {
        const float exact = (values[part * lanes + i] - low) * scale;
        std::int32_t of;
        std::memcpy(&of, &exact, sizeof of);
        of = std::min(std::max(of, first), last);
        float clamped;
        std::memcpy(&clamped, &of, sizeof clamped);
        const auto g = static_cast<std::int32_t>(clamped);
        found |= (g & fraction) - near;
        const auto bin = static_cast<std::uint32_t>(g) & 0x00ff0000u;
        word |= part == 0 ? bin >> 16 : part == 1 ? bin >> 8 : part == 2 ? bin : bin << 8;
      }
      packed[i] = word;
    }
    std::memcpy(out, packed, sizeof packed);
    unclear[r] = found;
  }
}

}  // namespace

ByteBinner::ByteBinner(const std::vector<float>& edges) : exact_(edges), bins_(static_cast<int>(edges.size()) - 1) {
  const float low = edges.front(), high = edges.back();
  if (bins_ > 256 || !std::isfinite(high - low)) return;
  scale_ = static_cast<float>(bins_) * one / (high - low);
  // About four times what rounding takes from an estimate at the upper end.
  low_ = low - (high - low) * 0x1p-22f - std::abs(low) * 0x1p-22f;
  float most = 0;
  for (std::size_t k = 0; k < edges.size(); ++k) {
    const float above = (edges[k] - low_) * scale_ - static_cast<float>(k) * one;
    if (!(above >= 0)) return;
    most = std::max(most, above);
  }
  if (!(most < one / 4)) return;  // too many bins for the range; also where scale is not finite
  near_ = static_cast<std::int32_t>(most) + 1;
  usable_ = true;
}

// A run by Binner, shuffled like the estimates.
void ByteBinner::exactly(const float* values, std::uint8_t* out) const {
  std::int32_t bin[run];
  exact_(values, run, Outside::clamp, bin);
  pack(bin, out);
}

void ByteBinner::operator()(const float* values, index_t n, std::uint8_t* out) const {
  constexpr index_t most = 64;
  std::int32_t unclear[most];
  index_t done = 0;
  while (n - done >= run) {
    const index_t runs = std::min(most, (n - done) / run);
    estimate(values + done, runs, low_, scale_, near_, bins_, out + done, unclear);
    for (index_t r = 0; r < runs; ++r)
      if (unclear[r] < 0) exactly(values + done + r * run, out + done + r * run);
    done += runs * run;
  }
  if (done == n) return;
  std::int32_t bin[run];
  exact_(values + done, n - done, Outside::clamp, bin);
  for (index_t i = done; i < n; ++i) out[i] = static_cast<std::uint8_t>(bin[i - done]);
}

}  // namespace xaijax
