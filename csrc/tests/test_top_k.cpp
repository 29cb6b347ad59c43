#include "xaijax/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "common/ordered.hpp"
#include "selection/select.hpp"

using xaijax::index_t;

template <class T>
void against_sorting() {
  std::mt19937 random(7);
  for (const int size : {1, 2, 100, 511, 5000, 9001, 50176}) {  // samples are taken from 8192 on
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

// Maps that mislead the sample, which takes every so many pixels, or hold one value nearly everywhere.
template <class T>
void large_maps() {
  constexpr int size = 20000, step = size / 512;
  std::vector<T> misleading(size), relu(size), saturated(size);
  std::mt19937 random(3);
  for (int i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const T value = static_cast<T>(static_cast<int>(random() % 2001) - 1000);
    misleading[at] = value + (i % step == 0 ? T(5000) : T(0));
    relu[at] = std::max(value - T(700), T(0));
    saturated[at] = std::min(value + T(700), T(1000));
  }
  for (const auto& map : {misleading, relu, saturated}) {
    auto sorted = map;
    std::sort(sorted.begin(), sorted.end(), std::greater<T>());
    for (const double percent : {0.01, 5.0, 10.0, 14.9, 15.0, 15.1, 50.0, 85.0, 100.0}) {
      const index_t k = xaijax::top_count(size, percent);
      const T cut = sorted[static_cast<std::size_t>(k) - 1];
      std::vector<T> out(map.size());
      CHECK(xaijax::top_k_threshold<T>({map.data(), 1, size}, percent, out.data()));
      bool same = true;
      for (std::size_t i = 0; i < map.size(); ++i) same &= out[i] == (map[i] >= cut ? map[i] : T(0));
      CHECK(same);
      std::vector<xaijax::ordered_key_t<T>> keys, kept(map.size());
      for (const T value : map) keys.push_back(xaijax::ordered_key(value));
      const auto found = xaijax::kth_largest(keys.data(), size, k, kept.data());
      CHECK(xaijax::ordered_value<T>(found.key) == cut && found.tied == std::count(map.begin(), map.end(), cut));
      CHECK(found.above == std::count_if(map.begin(), map.end(), [cut](T value) { return value > cut; }));
    }
  }
  for (const std::size_t at : {std::size_t(0), std::size_t(10007), std::size_t(size - 1)}) {
    auto holey = relu;
    holey[at] = std::numeric_limits<T>::quiet_NaN();
    std::vector<T> out(holey.size());
    CHECK(!xaijax::top_k_threshold<T>({holey.data(), 1, size}, 10.0, out.data()) && std::isnan(out[5]));
  }
}

int main() {
  against_sorting<float>();
  against_sorting<double>();
  large_maps<float>();
  large_maps<double>();
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
