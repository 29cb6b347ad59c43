#include "xaijax/levels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"

namespace {

using xaijax::index_t;

// By sorting.
template <class T>
std::vector<T> thresholds_by_sorting(std::vector<T> values, const std::vector<double>& fractions) {
  std::sort(values.begin(), values.end());
  const double last = static_cast<double>(values.size() - 1);
  std::vector<T> thresholds;
  for (const double fraction : fractions) {
    const double place = last * (1.0 - fraction);
    const auto low = static_cast<std::size_t>(place);
    const double weight = place - std::floor(place);
    if (low + 1 >= values.size()) {
      thresholds.push_back(values.back());
      continue;
    }
    const T a = values[low], b = values[low + 1];
    thresholds.push_back(weight < 0.5 ? a + (b - a) * static_cast<T>(weight)
                                      : b - (b - a) * static_cast<T>(1.0 - weight));
  }
  return thresholds;
}

template <class T, class Draw>
void same_as_sorting(index_t n, const Draw& draw) {
  const std::vector<double> fractions{0.005, 0.01, 0.02, 0.13, 0.21, 0.5, 0.75, 1.0};
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& value : values) value = static_cast<T>(draw());
  const auto expected = thresholds_by_sorting(values, fractions);
  CHECK(xaijax::reveal_thresholds<T>({values.data(), 1, n}, fractions) == expected);
  std::vector<std::uint16_t> levels(values.size());
  xaijax::reveal_levels<T>({values.data(), 1, n}, fractions, nullptr, levels.data());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t level = fractions.size() + 1;
    for (std::size_t k = fractions.size(); k-- > 0;)
      if (values[i] >= expected[k]) level = k + 1;
    wrong += levels[i] != level;
  }
  CHECK(wrong == 0);
}

template <class T>
void distributions() {
  std::mt19937_64 random(0);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  for (const index_t n : {1, 2, 3, 511, 513, 4097, 50176}) {
    same_as_sorting<T>(n, [&] { return uniform(random); });
    same_as_sorting<T>(n, [&] { return normal(random); });
    same_as_sorting<T>(n, [&] { return std::max(normal(random), 0.0); });
    same_as_sorting<T>(n, [&] { return std::floor(5 * uniform(random)); });
    same_as_sorting<T>(n, [&] { return std::exp(20 * normal(random)); });
    same_as_sorting<T>(n, [&] { return 1.0 + 1e-6 * uniform(random); });
    same_as_sorting<T>(n, [&] { return -3.0; });
    // One far value: all the others share a bucket until the range is narrowed.
    bool first = true;
    same_as_sorting<T>(n, [&] {
      const double value = first ? 1e30 : uniform(random);
      first = false;
      return value;
    });
  }
}

}  // namespace

int main() {
  distributions<float>();
  distributions<double>();
  const float nan = std::nanf("");
  std::vector<std::uint16_t> levels(4);
  const std::vector<float> holey{1.0f, nan, 2.0f, 3.0f};
  CHECK(!xaijax::reveal_levels<float>({holey.data(), 2, 2}, {0.5, 1.0}, nullptr, levels.data()));
  CHECK(levels == std::vector<std::uint16_t>(4, 3));
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> infinite{infinity, -infinity, infinity, infinity};
  CHECK(xaijax::reveal_levels<float>({infinite.data(), 2, 2}, {0.1}, nullptr, levels.data()));
  const bool always[4] = {false, true, false, false};
  const std::vector<float> ramp{1.0f, 2.0f, 3.0f, 4.0f};
  xaijax::reveal_levels<float>({ramp.data(), 2, 2}, {0.5, 1.0}, always, levels.data());
  CHECK(levels == std::vector<std::uint16_t>{2, 0, 1, 1});
  return check::report();
}
