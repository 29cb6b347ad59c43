#include "xaijax/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "xaijax/ordered.hpp"

template <class T>
void against_sorting() {
  std::mt19937 random(7);
  for (const int size : {1, 2, 100, 511, 5000}) {
    for (const int levels : {1, 3, 1000000}) {
      std::vector<T> map(static_cast<std::size_t>(size));
      for (auto& value : map) value = static_cast<T>(static_cast<int>(random() % 2000000) - 1000000) / T(7919);
      if (levels < 1000000)
        for (auto& value : map) value = std::round(value * levels / 100);
      auto sorted = map;
      std::sort(sorted.begin(), sorted.end(), std::greater<T>());
      for (const double percent : {0.01, 10.0, 37.5, 99.9, 100.0}) {
        const auto k = static_cast<std::size_t>(xaijax::top_count(size, percent));
        std::vector<T> out(map.size());
        CHECK(xaijax::top_k_threshold<T>({map.data(), 1, size}, percent, out.data()));
        bool same = true;
        for (std::size_t i = 0; i < map.size(); ++i) same &= out[i] == (map[i] >= sorted[k - 1] ? map[i] : T(0));
        CHECK(same);
      }
      std::vector<xaijax::ordered_key_t<T>> keys, other(map.size());
      for (const T value : map) keys.push_back(xaijax::ordered_key(value));
      xaijax::sort_keys(keys.data(), other.data(), size);
      CHECK(std::is_sorted(keys.begin(), keys.end()));
      CHECK(xaijax::ordered_value<T>(keys.front()) == sorted.back());
    }
  }
  // Values that agree in their leading bits: one outlier takes the range.
  std::vector<xaijax::ordered_key_t<T>> keys, other(5000);
  for (int i = 0; i < 4999; ++i) keys.push_back(xaijax::ordered_key(static_cast<T>(1 + (i * 37 % 4999) * 1e-7)));
  keys.push_back(xaijax::ordered_key(std::numeric_limits<T>::max()));
  xaijax::sort_keys(keys.data(), other.data(), 5000);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
}

int main() {
  against_sorting<float>();
  against_sorting<double>();
  CHECK(xaijax::top_count(50176, 10.0) == 5018);
  CHECK(xaijax::top_count(1924, 100.0 * 180 / 1924) == 180);
  CHECK(xaijax::top_count(3, 1e-9) == 1);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> map{-0.0f, infinity, -infinity, 2.0f};
  std::vector<float> out(4);
  CHECK(xaijax::top_k_threshold<float>({map.data(), 2, 2}, 50.0, out.data()));
  CHECK(out[0] == 0.0f && out[1] == infinity && out[2] == 0.0f && out[3] == 2.0f);
  const std::vector<float> broken{1.0f, std::nanf(""), 2.0f, 3.0f};
  CHECK(!xaijax::top_k_threshold<float>({broken.data(), 2, 2}, 50.0, out.data()) && std::isnan(out[0]));
  return check::report();
}
