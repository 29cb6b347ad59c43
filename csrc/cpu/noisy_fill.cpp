// The system is symmetric and positive definite as soon as one pixel is known: conjugate gradients with the diagonal
// as preconditioner, each image starting from the one before.
#include "xaijax/noisy_fill.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "xaijax/fills.hpp"

namespace xaijax {

namespace {

constexpr double beside = 1.0 / 6.0, diagonal = 1.0 / 12.0;

std::uint64_t split_mix(std::uint64_t state) {
  state += 0x9e3779b97f4a7c15ull;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
  return state ^ (state >> 31);
}

double unit(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

// One channel on a grid with a border of zeros.
class Solver {
 public:
  Solver(index_t height, index_t width)
      : wide_(width + 2), solution(static_cast<std::size_t>((height + 2) * wide_), 0.0), search_(solution.size(), 0.0) {
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x) {
        const int across = (x > 0) + (x < width - 1), along = (y > 0) + (y < height - 1);
        weight_.push_back((across + along) * beside + across * along * diagonal);
      }
  }

  // Solves for the pixels in `open` (row-major numbers and places in the padded grid); the others stay. Values are in
  // units of the channel's range.
  void solve(const std::vector<index_t>& open, const std::vector<std::size_t>& places) {
    const std::size_t n = open.size();
    residual_.resize(n);
    image_.resize(n);
    double rho = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const double diag = weight_[static_cast<std::size_t>(open[i])];
      residual_[i] = around(solution, places[i]) - diag * solution[places[i]];
      search_[places[i]] = residual_[i] / diag;
      rho += residual_[i] * residual_[i] / diag;
    }
    const double goal = 1e-20 * static_cast<double>(n);
    const auto most = static_cast<index_t>(100 + 4 * n);
    for (index_t step = 0; step < most && rho > goal; ++step) {
      double curvature = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        image_[i] = weight_[static_cast<std::size_t>(open[i])] * search_[places[i]] - around(search_, places[i]);
        curvature += image_[i] * search_[places[i]];
      }
      const double length = rho / curvature;
      double next = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        solution[places[i]] += length * search_[places[i]];
        residual_[i] -= length * image_[i];
        next += residual_[i] * residual_[i] / weight_[static_cast<std::size_t>(open[i])];
      }
      const double turn = next / rho;
      rho = next;
      for (std::size_t i = 0; i < n; ++i)
        search_[places[i]] = residual_[i] / weight_[static_cast<std::size_t>(open[i])] + turn * search_[places[i]];
    }
    for (const std::size_t place : places) search_[place] = 0.0;
  }

 private:
  double around(const std::vector<double>& grid, std::size_t place) const {
    const double* const p = grid.data() + place;
    return beside * ((p[-1] + p[1]) + (p[-wide_] + p[wide_])) +
           diagonal * ((p[-wide_ - 1] + p[wide_ + 1]) + (p[-wide_ + 1] + p[wide_ - 1]));
  }

  index_t wide_;

 public:
  std::vector<double> solution;

 private:
  std::vector<double> search_, residual_, image_, weight_;
};

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
  const auto place = [width](index_t p) {
    return static_cast<std::size_t>((p / width + 1) * (width + 2) + p % width + 1);
  };
  std::vector<index_t> open;
  std::vector<std::size_t> places;
  Solver solver(height, width);
  for (index_t c = 0; c < channels; ++c) {
    const double mean = static_cast<double>(colour[static_cast<std::size_t>(c)]);
    double scale = 0.0;
    for (index_t p = 0; p < pixels; ++p) {
      const double value = static_cast<double>(image.data[p * channels + c]);
      if (std::isfinite(value)) scale = std::max(scale, std::abs(value - mean));
      solver.solution[place(p)] = 0.0;
    }
    if (scale == 0.0) scale = 1.0;
    for (index_t step = 0; step < levels.count; ++step) {
      T* const target = out + levels.image_of(step) * image.size();
      open.clear();
      places.clear();
      for (index_t p = 0; p < pixels; ++p) {
        if (levels.step(p) <= step) {
          solver.solution[place(p)] = (static_cast<double>(image.data[p * channels + c]) - mean) / scale;
        } else {
          open.push_back(p);
          places.push_back(place(p));
        }
      }
      if (static_cast<index_t>(open.size()) < pixels) solver.solve(open, places);
      for (index_t p = 0; p < pixels; ++p) target[p * channels + c] = image.data[p * channels + c];
      for (std::size_t i = 0; i < open.size(); ++i) {
        const index_t at = open[i] * channels + c;
        double value = mean + scale * solver.solution[places[i]];
        if (noise > 0.0) value += noise * pixel_noise(seed, static_cast<std::uint64_t>(at));
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
