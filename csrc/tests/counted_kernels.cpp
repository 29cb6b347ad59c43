// One kernel on fixed inputs, for counting its instructions: callgrind collects inside `counted` only.
// tests/kernels/test_instruction_counts.py builds and runs it.
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "xaijax/ebayes.hpp"
#include "xaijax/entropy.hpp"
#include "xaijax/levels.hpp"
#include "xaijax/localization.hpp"
#include "xaijax/mutual_information.hpp"
#include "xaijax/regions.hpp"
#include "xaijax/reveal.hpp"
#include "xaijax/top_k.hpp"

using namespace xaijax;

namespace {

constexpr index_t side = 224, pixels = side * side;
const std::vector<double> fractions{0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75};

// The same numbers everywhere: no library generator, no transcendental function.
std::vector<float> noise(std::uint64_t seed) {
  std::vector<float> values(pixels);
  for (float& value : values) {
    float sum = 0.0f;  // of four uniform ones: nearly normal
    for (int i = 0; i < 4; ++i) {
      seed = seed * 6364136223846793005ull + 1442695040888963407ull;
      sum += static_cast<float>(seed >> 40) * 0x1p-24f - 0.5f;
    }
    value = sum;
  }
  return values;
}

// Three box filters of 17 pixels each way, wrapping around, scaled to the spread of noise.
std::vector<float> smooth(std::uint64_t seed) {
  std::vector<float> values = noise(seed), other(values.size());
  for (int pass = 0; pass < 6; ++pass) {
    for (index_t y = 0; y < side; ++y)
      for (index_t x = 0; x < side; ++x) {
        float sum = 0.0f;
        for (index_t d = -8; d <= 8; ++d) sum += values[static_cast<std::size_t>(y * side + (x + d + side) % side)];
        other[static_cast<std::size_t>(x * side + y)] = sum / 8.0f;  // transposed: rows and columns by turns
      }
    values.swap(other);
  }
  return values;
}

std::vector<std::uint8_t> picture(std::uint64_t seed) {
  std::vector<std::uint8_t> image(3 * pixels);
  for (index_t c = 0; c < 3; ++c) {
    const std::vector<float> base = smooth(seed + static_cast<std::uint64_t>(c)), grain = noise(seed + 7);
    for (index_t p = 0; p < pixels; ++p) {
      const auto i = static_cast<std::size_t>(p);
      const float value = 110.0f + 4.0f * base[i] + 8.0f * grain[i];
      image[3 * i + static_cast<std::size_t>(c)] =
          static_cast<std::uint8_t>(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value);
    }
  }
  return image;
}

std::vector<std::uint16_t> levels_of(const std::vector<float>& map) {
  std::vector<std::uint16_t> levels(pixels);
  bool always[pixels];
  for (index_t p = 0; p < pixels; ++p) always[p] = p * 2654435761ull % 4294967296ull < 42949672ull;  // 1 %
  reveal_levels(MapView<const float>{map.data(), side, side}, fractions, always, levels.data());
  return levels;
}

volatile double sink;

}  // namespace

extern "C" __attribute__((noinline)) void counted(const std::function<void()>& kernel) {
  kernel();
  asm volatile("" ::: "memory");  // no jump in place of the call: callgrind would see `counted` end there
}

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const auto image = picture(1), other = picture(1000);
  const auto flat = noise(3), hilly = smooth(4);
  const MapView<const float> flat_map{flat.data(), side, side}, hilly_map{hilly.data(), side, side};
  const ImageView<const std::uint8_t> view{image.data(), side, side, 3};
  std::vector<float> real(image.begin(), image.end()), result(pixels);
  std::vector<std::uint8_t> mask(pixels), masks(16 * pixels), rebuilt(14 * image.size());
  for (index_t m = 0; m < 16; ++m)
    for (index_t p = 0; p < pixels; ++p) {
      const index_t x = p % side - 14 * m, y = p / side - (37 * m) % side;
      masks[static_cast<std::size_t>(m * pixels + p)] = x * x + y * y < (20 + m) * (20 + m);
    }
  std::copy(masks.begin() + 5 * pixels, masks.begin() + 6 * pixels, mask.begin());
  std::vector<std::uint16_t> levels(pixels);
  std::vector<double> scores(kLocalizationScores), ranked(pixels);
  std::vector<ScoreReason> reasons(kLocalizationScores);
  std::vector<std::int32_t> ranks(pixels);
  const auto fills = [&](const std::vector<float>& map) {
    levels = levels_of(map);
    counted([&] { reveal<std::uint8_t>(view, {levels.data(), side, side, 14, false}, {}, {}, rebuilt.data()); });
  };
  const std::map<std::string, std::function<void()>> kernels{
      {"fills_smooth", [&] { fills(hilly); }},
      {"fills_noise", [&] { fills(flat); }},
      {"entropy_uint8", [&] { counted([&] { sink = histogram_entropy(view, 256, {}); }); }},
      {"entropy_float32",
       [&] { counted([&] { sink = histogram_entropy<float>({real.data(), side, side, 3}, 256, {}); }); }},
      {"mutual_information",
       [&] {
         const BinnedReference<std::uint8_t> reference(view, 64);
         counted([&] { sink = reference.mutual_information({other.data(), side, side, 3}); });
       }},
      {"levels_smooth", [&] { counted([&] { reveal_levels(hilly_map, fractions, nullptr, levels.data()); }); }},
      {"levels_noise", [&] { counted([&] { reveal_levels(flat_map, fractions, nullptr, levels.data()); }); }},
      {"ebayes",
       [&] {
         const Ebayes ebayes{EbayesOptions{}};
         counted([&] { ebayes(flat_map, result.data()); });
       }},
      {"top_k", [&] { counted([&] { top_k_threshold(flat_map, 10.0, result.data()); }); }},
      {"regions",
       [&] {
         counted([&] { Regions(masks.data(), 16, side, side, 0).rank(hilly.data(), {}, ranked.data(), ranks.data()); });
       }},
      {"localization",
       [&] { counted([&] { localization_scores(hilly_map, mask.data(), {}, scores.data(), reasons.data()); }); }},
  };
  const auto found = kernels.find(name);
  if (found == kernels.end()) {
    for (const auto& kernel : kernels) std::printf("%s\n", kernel.first.c_str());
    return name.empty() ? 0 : 1;
  }
  found->second();
  return 0;
}
