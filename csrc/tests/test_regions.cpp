#include "xaijax/regions.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"

using xaijax::RegionOptions;
using xaijax::Regions;

namespace {

std::vector<std::uint8_t> row_masks() {
  // 1 x 8: {0..3}, {2..5}, {6}, and nothing.
  return {1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
}

}  // namespace

template <class T>
void by_hand() {
  const std::vector<T> attribution{4, 4, 1, 1, 3, 3, 9, -1};
  const auto masks = row_masks();
  std::vector<double> map(8);
  std::vector<std::int32_t> ranks(8);
  RegionOptions options;
  options.min_pixels = 2;
  const Regions regions(masks.data(), 4, 1, 8, 0);
  regions.rank(attribution.data(), options, map.data(), ranks.data());
  // {0..3} has mean 2.5, {2..5} has 2: the first wins, then the second adds {4, 5} with 3; {6} is too small.
  CHECK(map == std::vector<double>({2.5, 2.5, 2.5, 2.5, 3, 3, 4, 4}));
  CHECK(ranks == std::vector<std::int32_t>({2, 2, 2, 2, 1, 1, 3, 3}));

  options.min_pixels = 1;
  regions.rank(attribution.data(), options, map.data(), ranks.data());
  CHECK(map == std::vector<double>({2.5, 2.5, 2.5, 2.5, 3, 3, 9, -1}));
  CHECK(ranks == std::vector<std::int32_t>({3, 3, 3, 3, 2, 2, 1, 4}));

  options.area = 0.1;  // {6} covers an eighth: enough
  regions.rank(attribution.data(), options, map.data(), ranks.data());
  CHECK(ranks == std::vector<std::int32_t>({2, 2, 2, 2, 2, 2, 1, 2}));

  options = {};
  options.fast = true;
  options.min_pixels = 3;
  regions.rank(attribution.data(), options, map.data(), ranks.data());
  CHECK(ranks == std::vector<std::int32_t>({1, 1, 1, 1, 2, 2, 2, 2}));
}

int main() {
  by_hand<float>();
  by_hand<double>();

  // A disk of radius 5 around one pixel: 81 pixels (x^2 + y^2 <= 25), clipped at the border.
  std::vector<std::uint8_t> dot(20 * 30, 0);
  dot[10 * 30 + 15] = 1;
  const std::vector<double> ones(600, 1.0);
  std::vector<double> map(600);
  std::vector<std::int32_t> ranks(600);
  for (const int column : {15, 0}) {
    std::fill(dot.begin(), dot.end(), 0);
    dot[static_cast<std::size_t>(10 * 30 + column)] = 1;
    Regions(dot.data(), 1, 20, 30, 5).rank(ones.data(), {false, 1, 1.0}, map.data(), ranks.data());
    int inside = 0;
    bool round = true;
    for (int y = 0; y < 20; ++y)
      for (int x = 0; x < 30; ++x) {
        const bool in = ranks[static_cast<std::size_t>(y * 30 + x)] == 1;
        inside += in;
        round &= in == ((y - 10) * (y - 10) + (x - column) * (x - column) <= 25);
      }
    CHECK(round && inside == (column == 15 ? 81 : 46));
  }

  // Every pixel gets the mean of its region, so the regions' means weighted by size add up to the total.
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> attribution(600);
  double total = 0.0;
  for (auto& value : attribution) total += value = normal(random);
  std::vector<std::uint8_t> masks(40 * 600);
  for (auto& in : masks) in = random() % 5 == 0;
  for (const bool fast : {false, true}) {
    Regions(masks.data(), 40, 20, 30, 1).rank(attribution.data(), {fast, 5, 1.0}, map.data(), ranks.data());
    double sum = 0.0;
    for (const double value : map) sum += value;
    CHECK(std::abs(sum - total) < 1e-9);
  }
  return check::report();
}
