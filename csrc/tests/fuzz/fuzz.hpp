// Random cases for the kernels. A driver makes one case from a generator, runs the kernel and checks what must hold
// whatever the input: a brute-force answer where sizes allow, and otherwise invariants (1 thread = many threads, flips,
// ranges). A case is a function of the seed and its number alone, so every finding can be run again.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "xaijax/parallel.hpp"
#include "xaijax/views.hpp"

namespace fuzz {

using xaijax::index_t;

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t number) : engine_(seed * 0x9e3779b97f4a7c15ull + number) {}

  std::uint64_t bits() { return engine_(); }
  index_t below(index_t bound) { return static_cast<index_t>(engine_() % static_cast<std::uint64_t>(bound)); }
  index_t between(index_t low, index_t high) { return low + below(high - low + 1); }
  bool chance(double p) { return unit() < p; }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  double normal() { return std::normal_distribution<double>()(engine_); }

 private:
  std::mt19937_64 engine_;
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool good, const char* what, const char* file, int line) {
  if (!good) throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

#define EXPECT(...) fuzz::expect(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

struct Size {
  index_t height, width;
  index_t pixels() const { return height * width; }
};

// Often 1 x 1, thin or tiny; at most `most` pixels.
inline Size size(Random& random, index_t most) {
  const auto side = [&]() -> index_t {
    const double kind = random.unit();
    if (kind < 0.15) return 1;
    if (kind < 0.35) return random.between(2, 4);
    if (kind < 0.85) return random.between(3, 24);
    return random.between(25, 300);
  };
  Size size{side(), side()};
  while (size.pixels() > most) (size.height > size.width ? size.height : size.width) /= 2;
  return size;
}

// Values of every kind a map can hold. Finite unless `broken` asks for NaN and infinities here and there.
template <class T>
std::vector<T> values(Random& random, index_t count, bool broken = false) {
  std::vector<T> out(static_cast<std::size_t>(count));
  if constexpr (std::is_integral_v<T>) {
    const auto kind = random.below(4);
    const auto most = static_cast<index_t>(std::numeric_limits<T>::max());
    const index_t base = random.below(most + 1), span = random.between(1, 6);
    for (auto& v : out) {
      if (kind == 0) v = static_cast<T>(random.below(most + 1));
      if (kind == 1) v = static_cast<T>(std::min(most, base + random.below(span)));
      if (kind == 2) v = static_cast<T>(random.chance(0.5) ? 0 : most);
      if (kind == 3) v = static_cast<T>(base);
    }
  } else {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const auto kind = random.below(11);
    const double level = random.normal() * std::pow(10.0, static_cast<double>(random.between(-30, 30)));
    const index_t steps = random.between(1, 8);
    constexpr T largest = std::numeric_limits<T>::max();
    for (auto& v : out) {
      const double normal = random.normal(), unit = random.unit();
      switch (kind) {
        case 0: v = static_cast<T>(normal); break;
        case 1: v = static_cast<T>(unit); break;
        case 2: v = static_cast<T>(std::max(normal, 0.0)); break;
        case 3: v = static_cast<T>(random.between(-steps, steps)); break;
        case 4: v = static_cast<T>(level); break;                                       // constant
        case 5: v = static_cast<T>(std::exp(15.0 * normal)) * (unit < 0.3 ? T(-1) : T(1)); break;
        case 6: v = static_cast<T>(1.0 + 1e-6 * unit); break;                           // narrow
        case 7: v = static_cast<T>(level * (1.0 + 1e-3 * unit)); break;
        case 8: v = std::numeric_limits<T>::denorm_min() * static_cast<T>(random.between(-3, 3)); break;
        case 9: v = unit < 0.1 ? (normal < 0 ? -largest : largest) : static_cast<T>(normal); break;
        default: {  // any finite bit pattern
          do {
            const auto bits = static_cast<Bits>(random.bits());
            std::memcpy(&v, &bits, sizeof v);
          } while (!std::isfinite(v));
        }
      }
      if (v == T(0) && random.chance(0.5)) v = T(-0.0);
    }
    if (random.chance(0.1) && kind < 3) out[static_cast<std::size_t>(random.below(count))] = largest;
    if (broken)
      for (index_t n = random.between(1, 3); n > 0; --n) {
        constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
        const T bad[] = {inf, -inf, nan, -nan};
        out[static_cast<std::size_t>(random.below(count))] = bad[random.below(4)];
      }
  }
  return out;
}

template <class T>
bool all_finite(const std::vector<T>& values) {
  if constexpr (std::is_floating_point_v<T>)
    return std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); });
  else
    return true;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// The same bytes, but for the sign and payload of NaN.
template <class T>
bool same_values(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](T x, T y) { return (x != x && y != y) || std::memcmp(&x, &y, sizeof x) == 0; });
}

inline bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

inline bool near(double a, double b, double tolerance) {
  return (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance;
}

// A turn of the plane: transposed first, then flipped.
struct Turn {
  bool transpose, flip_y, flip_x;
  Size size;  // before

  Size after() const { return transpose ? Size{size.width, size.height} : size; }

  // Where pixel (y, x) goes.
  index_t to(index_t y, index_t x) const {
    const Size turned = after();
    index_t v = transpose ? x : y, u = transpose ? y : x;
    if (flip_y) v = turned.height - 1 - v;
    if (flip_x) u = turned.width - 1 - u;
    return v * turned.width + u;
  }

  // Items of `depth` values for each pixel, any number of planes one after the other.
  template <class T>
  std::vector<T> operator()(const std::vector<T>& in, index_t depth = 1) const {
    std::vector<T> out(in.size());
    const index_t plane = size.pixels() * depth;
    for (index_t start = 0; start < static_cast<index_t>(in.size()); start += plane)
      for (index_t y = 0; y < size.height; ++y)
        for (index_t x = 0; x < size.width; ++x)
          std::copy_n(in.data() + start + (y * size.width + x) * depth, depth, out.data() + start + to(y, x) * depth);
    return out;
  }
};

inline Turn turn(Random& random, Size size) {
  return {random.chance(0.5), random.chance(0.5), random.chance(0.5), size};
}

// Runs task(i, results) for each item on one thread and again on several: the results must be the same bytes.
template <class Result, class Task>
std::vector<Result> on_threads(Random& random, index_t items, index_t each, const Task& task) {
  const auto total = static_cast<std::size_t>(items * each);
  std::vector<Result> one(total), many(total);
  std::memset(static_cast<void*>(one.data()), 0x55, total * sizeof(Result));  // whatever is not written shows
  std::memset(static_cast<void*>(many.data()), 0xaa, total * sizeof(Result));
  for (index_t i = 0; i < items; ++i) task(i, one.data() + i * each);
  const auto threads = static_cast<int>(random.between(2, 4));
  xaijax::parallel_for(items, threads, [&](index_t i) { task(i, many.data() + i * each); });
  EXPECT(same_bits(one, many));
  return one;
}

// One case of each kernel.
void entropy(Random& random);
void mutual_information(Random& random);
void levels(Random& random);
void random_mask(Random& random);
void top_k(Random& random);
void similarity(Random& random);
void ebayes(Random& random);
void regions(Random& random);
void localization(Random& random);
void linear(Random& random);
void nearest(Random& random);
void background(Random& random);
void noisy_linear(Random& random);

}  // namespace fuzz
