// Exact Euclidean distance transform in two passes (Meijster et al., "A General Algorithm for Computing Distance
// Transforms in Linear Time", 2000), followed by collecting everything at that distance, so that ties have no order.
#include "reveal/nearest_fill.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "reveal/cell.hpp"

namespace xaijax {

namespace {

constexpr std::int32_t far_away = 1 << 20;

struct Transform {
  index_t height, width;
  std::vector<std::int32_t> up, down;  // steps to the nearest known pixel of the column, upwards and downwards
  std::vector<index_t> hull, from;     // the lower envelope of a row's parabolas: their columns, and where each begins

  std::int64_t reach(index_t y, index_t x) const {
    const auto at = static_cast<std::size_t>(y * width + x);
    return std::min(up[at], down[at]);
  }

  void columns(const std::vector<std::uint16_t>& steps, index_t step) {
    for (index_t x = 0; x < width; ++x) {
      std::int32_t gap = far_away;
      for (index_t y = 0; y < height; ++y) {
        const auto at = static_cast<std::size_t>(y * width + x);
        up[at] = gap = steps[at] <= step ? 0 : std::min(gap + 1, far_away);
      }
      gap = far_away;
      for (index_t y = height; y-- > 0;) {
        const auto at = static_cast<std::size_t>(y * width + x);
        down[at] = gap = steps[at] <= step ? 0 : std::min(gap + 1, far_away);
      }
    }
  }

  // Squared distance of each pixel of row y to the nearest known pixel.
  void row(index_t y, std::vector<std::int64_t>& squared) {
    const auto value = [&](index_t x, index_t column) {
      const std::int64_t g = reach(y, column);
      return (x - column) * (x - column) + g * g;
    };
    hull.clear();
    from.clear();
    for (index_t column = 0; column < width; ++column) {
      while (!hull.empty() && value(from.back(), hull.back()) > value(from.back(), column)) {
        hull.pop_back();
        from.pop_back();
      }
      if (hull.empty()) {
        hull.push_back(column);
        from.push_back(0);
        continue;
      }
      // The first x from which `column` is strictly nearer than the last of the envelope.
      const index_t last = hull.back();
      const std::int64_t g = reach(y, column), h = reach(y, last);
      const std::int64_t numerator = column * column - last * last + g * g - h * h, denominator = 2 * (column - last);
      const std::int64_t floor =
          numerator >= 0 ? numerator / denominator : -((-numerator + denominator - 1) / denominator);
      if (floor + 1 >= width) continue;
      hull.push_back(column);
      from.push_back(floor + 1);
    }
    std::size_t part = hull.size();
    for (index_t x = width; x-- > 0;) {
      while (from[part - 1] > x) --part;
      squared[static_cast<std::size_t>(x)] = value(x, hull[part - 1]);
    }
  }
};

}  // namespace

template <class T>
void nearest_fill(ImageView<const T> image, const Levels& levels, T* out) {
  const index_t height = image.height, width = image.width, channels = image.channels;
  const auto pixels = static_cast<std::size_t>(image.pixels());
  std::vector<std::uint16_t> steps(pixels);
  for (std::size_t p = 0; p < pixels; ++p) steps[p] = levels.step(static_cast<index_t>(p));
  for (const index_t corner : {index_t{0}, width - 1, (height - 1) * width, height * width - 1})
    steps[static_cast<std::size_t>(corner)] = 0;
  Transform transform{height, width, std::vector<std::int32_t>(pixels), std::vector<std::int32_t>(pixels), {}, {}};
  std::vector<std::int64_t> squared(static_cast<std::size_t>(width));
  std::vector<const T*> nearest;
  for (index_t step = 0; step < levels.count; ++step) {
    T* const target = out + levels.image_of(step) * image.size();
    transform.columns(steps, step);
    for (index_t y = 0; y < height; ++y) {
      transform.row(y, squared);
      for (index_t x = 0; x < width; ++x) {
        const std::int64_t distance = squared[static_cast<std::size_t>(x)];
        T* const to = target + (y * width + x) * channels;
        nearest.clear();
        for (index_t dx = 0; dx * dx <= distance; ++dx)
          for (const index_t column : {x - dx, x + dx}) {
            if (column < 0 || column >= width || (dx == 0 && column != x)) continue;
            const auto at = static_cast<std::size_t>(y * width + column);
            const std::int64_t up = transform.up[at], down = transform.down[at];
            const T* const here = image.data + (y * width + column) * channels;
            if (dx * dx + up * up == distance) nearest.push_back(here - up * width * channels);
            if (down > 0 && dx * dx + down * down == distance) nearest.push_back(here + down * width * channels);
            if (dx == 0) break;
          }
        const auto count = static_cast<std::int64_t>(nearest.size());
        for (index_t c = 0; c < channels; ++c) {
          if constexpr (std::is_integral_v<T>) {
            std::int64_t sum = 0;
            for (const T* value : nearest) sum += value[c];
            to[c] = static_cast<T>(divide_half_even(sum, count));
          } else if (count == 1) {
            to[c] = nearest[0][c];
          } else {
            double mean = 0.0, low = nearest[0][c], high = low;
            for (const T* value : nearest) {
              mean += static_cast<double>(value[c]) / static_cast<double>(count);
              low = std::min<double>(low, value[c]);
              high = std::max<double>(high, value[c]);
            }
            to[c] = static_cast<T>(mean < low ? low : mean > high ? high : mean);
          }
        }
      }
    }
  }
}

template void nearest_fill(ImageView<const std::uint8_t>, const Levels&, std::uint8_t*);
template void nearest_fill(ImageView<const std::uint16_t>, const Levels&, std::uint16_t*);
template void nearest_fill(ImageView<const float>, const Levels&, float*);
template void nearest_fill(ImageView<const double>, const Levels&, double*);

}  // namespace xaijax
