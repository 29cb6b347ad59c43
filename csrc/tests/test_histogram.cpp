#include "histogram/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"
#include "histogram/byte_bins.hpp"

namespace {

using xaijax::index_t;

// The definition: the last edge that is not above the value; the last bin has both its edges.
template <class T>
std::int32_t bin_by_definition(const std::vector<T>& edges, T value, xaijax::Outside outside) {
  const int bins = static_cast<int>(edges.size()) - 1;
  if (value < edges.front()) return outside == xaijax::Outside::clamp ? 0 : bins;
  if (value > edges.back()) return outside == xaijax::Outside::clamp ? bins - 1 : bins;
  int bin = 0;
  while (bin < bins - 1 && edges[static_cast<std::size_t>(bin) + 1] <= value) ++bin;
  return bin;
}

// Values on every edge, one step beside it, far outside and in between, in runs longer than the blocks of the code.
template <class T>
void binner_follows_the_edges() {
  std::mt19937 random(0);
  for (const T low : {T(0), T(-3), T(1e6), T(1e-30)})
    for (const T width : {T(1), T(0.001), T(1e-7), T(300)})
      for (const int bins : {1, 2, 7, 64, 255, 256, 1000}) {
        const auto edges = xaijax::linear_edges<T, T>(low, low + width, bins);
        if (edges.empty()) continue;
        std::vector<T> values;
        for (const T edge : edges)
          for (const T to : {-std::numeric_limits<T>::infinity(), std::numeric_limits<T>::infinity()}) {
            values.push_back(std::nextafter(edge, to));
            values.push_back(edge);
          }
        std::uniform_real_distribution<T> anywhere(low - width / 4, low + width * T(1.25));
        for (int i = 0; i < 5000; ++i) values.push_back(anywhere(random));
        values.push_back(low - 1000 * width);
        values.push_back(low + 1000 * width);
        std::vector<std::int32_t> found(values.size());
        const xaijax::Binner<T> binner(edges);
        for (const auto outside : {xaijax::Outside::drop, xaijax::Outside::clamp}) {
          binner(values.data(), static_cast<index_t>(values.size()), outside, found.data());
          std::size_t wrong = 0;
          for (std::size_t i = 0; i < values.size(); ++i)
            wrong += found[i] != bin_by_definition(edges, values[i], outside);
          CHECK(wrong == 0);
        }
      }
}

// Bytes are those of the definition, run by run; the rest beyond whole runs is in order. What the estimate is for must
// be taken by it: refusing everything would pass too.
void bytes_follow_the_edges() {
  constexpr std::size_t run = xaijax::ByteBinner::run;
  std::mt19937 random(3);
  for (const float low : {0.0f, -3.0f, -1e6f, 1e-30f})
    for (const float width : {1.0f, 0.001f, 300.0f, 3e6f})
      for (const int bins : {1, 2, 7, 64, 255, 256}) {
        const auto edges = xaijax::linear_edges<float, float>(low, low + width, bins);
        if (edges.empty()) continue;
        const xaijax::ByteBinner binner(edges);
        CHECK(binner.usable() || std::abs(low) > width);
        if (!binner.usable()) continue;
        std::vector<float> values;
        for (const float edge : edges)
          for (const float v : {std::nextafter(edge, low - width), edge, std::nextafter(edge, low + 2 * width)})
            values.push_back(std::clamp(v, edges.front(), edges.back()));
        std::uniform_real_distribution<float> anywhere(edges.front(), edges.back());
        while (values.size() < 6000) values.push_back(std::min(anywhere(random), edges.back()));
        if (bins % 2 == 0) std::shuffle(values.begin(), values.end(), random);
        std::vector<std::uint8_t> found(values.size()), expected(values.size());
        binner(values.data(), static_cast<index_t>(values.size()), found.data());
        for (std::size_t i = 0; i < values.size(); ++i)
          expected[i] = static_cast<std::uint8_t>(bin_by_definition(edges, values[i], xaijax::Outside::clamp));
        for (std::size_t i = 0; i + run <= values.size(); i += run)
          for (auto* part : {&found, &expected})
            std::sort(part->begin() + static_cast<index_t>(i), part->begin() + static_cast<index_t>(i + run));
        CHECK(found == expected);
      }
  // The shuffle is the same in every run.
  std::vector<float> values;
  for (std::size_t i = 0; i < 2 * run; ++i) values.push_back(static_cast<float>(i % run) / run);
  std::vector<std::uint8_t> found(values.size());
  const xaijax::ByteBinner binner(xaijax::linear_edges<float, float>(0.0f, 1.0f, 128));
  binner(values.data(), static_cast<index_t>(values.size()), found.data());
  CHECK(std::equal(found.begin(), found.begin() + run, found.begin() + run));
}

void edges_are_refused_like_numpy_does() {
  CHECK(xaijax::linear_edges<float, float>(16777216.0f, 16777218.0f, 256).empty());
  CHECK(xaijax::linear_edges<double, double>(0.0, 0.0, 2).empty());
  CHECK(xaijax::linear_edges<float, float>(-3e38f, 3e38f, 4).empty());
  const auto edges = xaijax::linear_edges<double, double>(0.0, 255.0, 255);
  CHECK(edges.size() == 256 && edges[0] == 0.0 && edges[255] == 255.0 && edges[100] == 100.0);
}

void extremes() {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {1u, 2u, 15u, 16u, 17u, 64u, 1000u}) {
    std::vector<float> values(n, -1.5f);
    values.back() = 2.5f;
    auto found = xaijax::extent(values.data(), static_cast<index_t>(n));
    CHECK(found.smallest == (n == 1 ? 2.5f : -1.5f) && found.largest == 2.5f && found.finite);
    for (const float bad : {infinity, -infinity, std::nanf(""), -std::nanf("")}) {
      values[n / 2] = bad;
      CHECK(!xaijax::extent(values.data(), static_cast<index_t>(n)).finite);
    }
    std::vector<std::uint16_t> integers(n, 700);
    integers.front() = 3;
    const auto whole = xaijax::extent(integers.data(), static_cast<index_t>(n));
    CHECK(whole.smallest == 3 && whole.largest == (n == 1 ? 3 : 700));
  }
}

}  // namespace

int main() {
  binner_follows_the_edges<float>();
  binner_follows_the_edges<double>();
  bytes_follow_the_edges();
  edges_are_refused_like_numpy_does();
  extremes();
  CHECK(xaijax::entropy_of_counts({1, 1, 2}) == 1.5);
  CHECK(xaijax::entropy_of_counts({0, 9, 0}) == 0.0);
  CHECK(std::isnan(xaijax::entropy_of_counts({0, 0})));
  return check::report();
}
