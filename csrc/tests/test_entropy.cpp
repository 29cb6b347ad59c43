#include "xaijax/entropy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"

namespace {

using xaijax::index_t;

template <class T>
double entropy(const std::vector<T>& values, int bins = 256, xaijax::BinRange range = {}) {
  return xaijax::histogram_entropy<T>({values.data(), 1, static_cast<index_t>(values.size()), 1}, bins, range);
}

template <class T>
void closed_forms() {
  CHECK(entropy<T>({0, 0, 255, 255}) == 1.0);
  CHECK(entropy<T>({7, 7, 7}) == 0.0);
  CHECK(entropy<T>({7}) == 0.0);
  CHECK(std::isnan(entropy<T>({})));
  std::vector<T> all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<T>(i));
  CHECK(std::abs(entropy(all) - 8.0) < 1e-12);
  CHECK(std::abs(entropy(all, 4) - 2.0) < 1e-12);
  // A range given: what lies outside is not counted, the upper end is.
  const auto counts = xaijax::histogram<T>({all.data(), 16, 16, 1}, 4, {false, 10.0, 18.0});
  CHECK(counts == std::vector<index_t>{2, 2, 2, 3});
  CHECK(std::isnan(entropy(all, 4, {false, 300.0, 400.0})));
}

// Images large enough for pairs of rows, with a row left over, whose counts are known.
template <class T>
void large() {
  constexpr index_t height = 151, width = 90, channels = 3;
  std::vector<T> values(height * width * channels);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i * 7 % 256);
  const xaijax::ImageView<const T> image{values.data(), height, width, channels};
  for (const int bins : {256, 255, 128, 3, 300}) {
    for (const xaijax::BinRange range : {xaijax::BinRange{}, {false, 20.0, 130.0}}) {
      const auto counts = xaijax::histogram<T>(image, bins, range);
      const double low = range.from_image ? 0.0 : range.low, high = range.from_image ? 255.0 : range.high;
      std::vector<index_t> expected(static_cast<std::size_t>(bins), 0);
      for (const T value : values) {
        const double v = static_cast<double>(value);
        if (v < low || v > high) continue;
        // Values are whole and edges k (high - low) / bins + low, compared without rounding.
        const auto bin = static_cast<index_t>((v - low) * bins) / static_cast<index_t>(high - low);
        ++expected[static_cast<std::size_t>(std::min<index_t>(bin, bins - 1))];
      }
      CHECK(counts == expected);
    }
  }
}

}  // namespace

int main() {
  large<std::uint8_t>();
  large<std::uint16_t>();
  large<float>();
  large<double>();
  closed_forms<std::uint8_t>();
  closed_forms<std::uint16_t>();
  closed_forms<float>();
  closed_forms<double>();
  CHECK(entropy<float>(std::vector<float>(12, 1e8f)) == 0.0);  // no edges in float32, and still no information
  CHECK(std::isnan(entropy<float>({1e8f, 1e8f, 1e8f + 8})));
  CHECK(std::isnan(entropy<float>({0.0f, std::nanf(""), 1.0f})));
  CHECK(std::isnan(entropy<double>({0.0, std::numeric_limits<double>::infinity(), 1.0})));
  return check::report();
}
