// The system is symmetric and positive definite as soon as one pixel is known. Each image starts from the one before,
// four channels are solved at once.
#include "reveal/noisy_fill.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "reveal/fills.hpp"
#include "reveal/grid_solver.hpp"

namespace xaijax {

namespace {

std::uint64_t split_mix(std::uint64_t state) {
  state += 0x9e3779b97f4a7c15ull;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
  return state ^ (state >> 31);
}

double unit(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

// Square of the error per pixel that a type cannot show, in units of the channel's range.
template <class T>
constexpr double goal = std::is_same_v<T, std::uint8_t> ? 1e-16 : std::is_same_v<T, double> ? 1e-20 : 1e-18;

}  // namespace

double pixel_noise(std::uint64_t seed, std::uint64_t index) {
  const std::uint64_t key = split_mix(seed);
  const std::uint64_t first = split_mix(key ^ (2 * index)), second = split_mix(key ^ (2 * index + 1));
  return std::sqrt(-2.0 * std::log(unit(first))) * std::cos(6.283185307179586 * unit(second));
}

template <class T>
void noisy_linear_fill(ImageView<const T> image, const Levels& levels, double noise, std::uint64_t seed, T* out) {
  const index_t height = image.height, width = image.width, channels = image.channels, pixels = image.pixels();
  const std::vector<T> colour = mean_colour(image);
  constexpr index_t lanes = GridSolver::lanes;
  std::vector<index_t> open;
  GridSolver solver(height, width);
  for (index_t first = 0; first < channels; first += lanes) {
    const index_t count = std::min(lanes, channels - first);
    double mean[lanes] = {}, scale[lanes] = {};
    for (index_t lane = 0; lane < count; ++lane) {
      mean[lane] = static_cast<double>(colour[static_cast<std::size_t>(first + lane)]);
      for (index_t p = 0; p < pixels; ++p) {
        const double value = static_cast<double>(image.data[p * channels + first + lane]);
        if (std::isfinite(value)) scale[lane] = std::max(scale[lane], std::abs(value - mean[lane]));
      }
      if (scale[lane] == 0.0) scale[lane] = 1.0;
    }
    for (index_t p = 0; p < pixels; ++p) std::fill_n(solver.at(p), lanes, 0.0);
    for (index_t step = 0; step < levels.count; ++step) {
      T* const target = out + levels.image_of(step) * image.size() + first;
      open.clear();
      for (index_t p = 0; p < pixels; ++p) {
        if (levels.step(p) > step) {
          open.push_back(p);
          continue;
        }
        for (index_t lane = 0; lane < count; ++lane) {
          const T value = image.data[p * channels + first + lane];
          solver.at(p)[lane] = (static_cast<double>(value) - mean[lane]) / scale[lane];
          target[p * channels + lane] = value;
        }
      }
      if (static_cast<index_t>(open.size()) < pixels) solver.solve(open, goal<T>);
      for (const index_t p : open)
        for (index_t lane = 0; lane < count; ++lane) {
          const index_t at = p * channels + lane;
          double value = mean[lane] + scale[lane] * solver.at(p)[lane];
          if (noise > 0.0) value += noise * pixel_noise(seed, static_cast<std::uint64_t>(at + first));
          if constexpr (std::is_integral_v<T>)
            value = std::clamp(std::nearbyint(value), 0.0, static_cast<double>(std::numeric_limits<T>::max()));
          target[at] = static_cast<T>(value);
        }
    }
  }
}

template void noisy_linear_fill(ImageView<const std::uint8_t>, const Levels&, double, std::uint64_t, std::uint8_t*);
template void noisy_linear_fill(ImageView<const std::uint16_t>, const Levels&, double, std::uint64_t, std::uint16_t*);
template void noisy_linear_fill(ImageView<const float>, const Levels&, double, std::uint64_t, float*);
template void noisy_linear_fill(ImageView<const double>, const Levels&, double, std::uint64_t, double*);

}  // namespace xaijax
