#include "xaijax/levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "common/targets.hpp"
#include "selection/order_statistics.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

namespace {

// Where numpy.quantile looks: the two neighbouring ranks and the weight of the second.
struct Position {
  index_t previous;
  index_t next;
  double weight;
};

Position position(index_t n, double fraction) {
  const double virtual_index = static_cast<double>(n - 1) * (1.0 - fraction);
  if (virtual_index >= static_cast<double>(n - 1)) {
    // NumPy's index -1 for the last value enters its weight.
    return {n - 1, n - 1, virtual_index + 1.0};
  }
  const double floor = std::floor(virtual_index);
  return {static_cast<index_t>(floor), static_cast<index_t>(floor) + 1, virtual_index - floor};
}

template <class T>
T interpolate(T a, T b, double weight) {
  const T difference = b - a;
  if (weight >= 0.5) return b - difference * static_cast<T>(1.0 - weight);
  return a + difference * static_cast<T>(weight);
}

template <class T, int count>
struct LanesOf {
  typedef T type __attribute__((vector_size(count * sizeof(T))));
  typedef T in_memory __attribute__((vector_size(count * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int count>
using Lanes = typename LanesOf<T, count>::type;

// One more than the number of thresholds that a value does not reach. Registers of `bytes`: compilers make single
// values of vectors that are wider than the processor's.
template <int bytes, class T, class Int>
XAIJAX_INLINE void levels_body(const T* values, index_t n, const T* thresholds, int count, std::uint16_t* levels) {
  constexpr int lanes = bytes / sizeof(T), at_once = 4;
  using Levels = Lanes<std::uint16_t, lanes>;
  index_t i = 0;
  for (; i + at_once * lanes <= n; i += at_once * lanes) {
    Lanes<T, lanes> value[at_once];
    Lanes<Int, lanes> reached[at_once] = {};
    for (int v = 0; v < at_once; ++v)  // std::memcpy would go by way of the stack
      value[v] = *reinterpret_cast<const typename LanesOf<T, lanes>::in_memory*>(values + i + v * lanes);
    for (int k = 0; k < count; ++k)
      for (int v = 0; v < at_once; ++v) reached[v] += value[v] >= thresholds[k];  // true is -1
    for (int v = 0; v < at_once; ++v) {
      const auto level = __builtin_convertvector(reached[v] + static_cast<Int>(count + 1), Levels);
      std::memcpy(levels + i + v * lanes, &level, sizeof level);
    }
  }
  for (; i < n; ++i) {
    int level = 1;
    for (int k = 0; k < count; ++k) level += values[i] >= thresholds[k] ? 0 : 1;
    levels[i] = static_cast<std::uint16_t>(level);
  }
}

#if XAIJAX_HAS_TARGETS
template <class T, class Int>
__attribute__((target("avx2"))) void levels_avx2(const T* values, index_t n, const T* thresholds, int count,
                                                 std::uint16_t* levels) {
  levels_body<32, T, Int>(values, n, thresholds, count, levels);
}
#endif

template <class T>
void levels_of(const T* values, index_t n, const T* thresholds, int count, std::uint16_t* levels) {
  using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
#if XAIJAX_HAS_TARGETS
  if (__builtin_cpu_supports("avx2")) return levels_avx2<T, Int>(values, n, thresholds, count, levels);
#endif
  levels_body<16, T, Int>(values, n, thresholds, count, levels);
}

}  // namespace

template <class T>
std::vector<T> reveal_thresholds(MapView<const T> map, const std::vector<double>& fractions) {
  const index_t n = map.size();
  std::vector<Position> positions;
  std::vector<index_t> ranks;
  for (const double fraction : fractions) {
    positions.push_back(position(n, fraction));
    ranks.push_back(positions.back().previous);
    ranks.push_back(positions.back().next);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  const auto values = order_statistics(map.data, n, ranks);
  if (values.empty()) return std::vector<T>(fractions.size(), std::numeric_limits<T>::quiet_NaN());
  const auto at = [&](index_t rank) {
    return values[static_cast<std::size_t>(std::lower_bound(ranks.begin(), ranks.end(), rank) - ranks.begin())];
  };
  std::vector<T> thresholds;
  for (const Position& p : positions) thresholds.push_back(interpolate(at(p.previous), at(p.next), p.weight));
  return thresholds;
}

template <class T>
bool reveal_levels(MapView<const T> map, const std::vector<double>& fractions, const bool* always,
                   std::uint16_t* levels) {
  // A pixel stays revealed: the running minimum of the thresholds, of which NaN reveals nothing.
  std::vector<T> thresholds = reveal_thresholds(map, fractions);
  T lowest = std::numeric_limits<T>::quiet_NaN();
  for (T& threshold : thresholds) {
    if (!(threshold > lowest)) lowest = std::isnan(threshold) ? lowest : threshold;
    threshold = lowest;
  }
  const index_t n = map.size();
  levels_of(map.data, n, thresholds.data(), static_cast<int>(thresholds.size()), levels);
  if (always)
    for (index_t i = 0; i < n; ++i)
      if (always[i]) levels[i] = 0;
  // Infinities alone can leave no threshold either.
  return !std::isnan(lowest) || std::none_of(map.data, map.data + n, [](T value) { return std::isnan(value); });
}

#define XAIJAX_INSTANTIATE(T)                                                              \
  template std::vector<T> reveal_thresholds(MapView<const T>, const std::vector<double>&); \
  template bool reveal_levels(MapView<const T>, const std::vector<double>&, const bool*, std::uint16_t*);
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
