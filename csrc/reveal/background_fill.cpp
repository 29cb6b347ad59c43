#include <algorithm>
#include <cmath>
#include <type_traits>

#include "reveal/cell.hpp"
#include "reveal/fills.hpp"

namespace xaijax {

namespace {

// The smallest and largest value of a channel: what rounding must not leave. NaN is no bound.
template <class T>
struct Bounds {
  T low, high;

  Bounds(ImageView<const T> image, index_t channel) : low(image.data[channel]), high(low) {
    for (index_t i = channel; i < image.size(); i += image.channels) {
      low = std::min(low, image.data[i]);
      high = std::max(high, image.data[i]);
    }
  }

  T keep(T value) const { return value < low ? low : value > high ? high : value; }
};

}  // namespace

template <class T>
void background_fill(ImageView<const T> image, const Levels& levels, ImageView<const T> background, T* out) {
  const index_t channels = image.channels, pixels = image.pixels();
  const bool one_colour = background.pixels() == 1;
  // Pixels in the order of their step, so that every image is the one before with a few pixels changed.
  std::vector<index_t> ends(static_cast<std::size_t>(levels.count) + 1, 0);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(pixels));
  for (index_t p = 0; p < pixels; ++p) ++ends[levels.step(p)];
  index_t total = 0;
  for (auto& end : ends) total = (end += total);
  for (index_t p = pixels; p-- > 0;)
    order[static_cast<std::size_t>(--ends[levels.step(p)])] = static_cast<std::uint32_t>(p);
  // ends[s] is where step s starts now.
  for (index_t step = 0; step < levels.count; ++step) {
    T* const target = out + levels.image_of(step) * image.size();
    if (step > 0) {
      const T* const previous = out + levels.image_of(step - 1) * image.size();
      std::copy(previous, previous + image.size(), target);
    } else if (one_colour) {
      for (index_t p = 0; p < pixels; ++p)
        std::copy(background.data, background.data + channels, target + p * channels);
    } else {
      std::copy(background.data, background.data + image.size(), target);
    }
    for (index_t i = ends[static_cast<std::size_t>(step)]; i < ends[static_cast<std::size_t>(step) + 1]; ++i) {
      const index_t at = index_t{order[static_cast<std::size_t>(i)]} * channels;
      for (index_t c = 0; c < channels; ++c) target[at + c] = image.data[at + c];
    }
  }
}

template <class T>
std::vector<T> mean_colour(ImageView<const T> image) {
  std::vector<T> colour(static_cast<std::size_t>(image.channels));
  const index_t pixels = image.pixels();
  for (index_t c = 0; c < image.channels; ++c) {
    if constexpr (std::is_integral_v<T>) {
      std::int64_t sum = 0;
      for (index_t p = 0; p < pixels; ++p) sum += image.data[p * image.channels + c];
      colour[static_cast<std::size_t>(c)] = static_cast<T>(divide_half_even(sum, pixels));
    } else {
      // Differences from the first value: a constant channel has exactly its constant as mean.
      const double base = static_cast<double>(image.data[c]);
      double sum = 0.0;
      for (index_t p = 0; p < pixels; ++p) sum += static_cast<double>(image.data[p * image.channels + c]) - base;
      colour[static_cast<std::size_t>(c)] =
          Bounds<T>(image, c).keep(static_cast<T>(base + sum / static_cast<double>(pixels)));
    }
  }
  return colour;
}

template <class T>
std::vector<T> gaussian_blur(ImageView<const T> image, double sigma) {
  const index_t height = image.height, width = image.width, channels = image.channels;
  const auto radius = static_cast<index_t>(4.0 * sigma + 0.5);
  std::vector<double> kernel(static_cast<std::size_t>(radius) + 1);
  double sum = 0.0;
  for (index_t k = radius; k >= 0; --k) {
    const double z = static_cast<double>(k) / sigma;
    kernel[static_cast<std::size_t>(k)] = k == 0 ? 1.0 : std::exp(-0.5 * z * z);
    sum += (k == 0 ? 1.0 : 2.0) * kernel[static_cast<std::size_t>(k)];
  }
  for (auto& weight : kernel) weight /= sum;
  const auto mirror = [](index_t i, index_t n) {
    i %= 2 * n;
    if (i < 0) i += 2 * n;
    return i < n ? i : 2 * n - 1 - i;
  };
  std::vector<double> rows(static_cast<std::size_t>(image.size())), both(rows.size());
  // The two sides are added to each other first: a flipped image gives the flipped result, bit for bit.
  const index_t line = width * channels;
  for (index_t y = 0; y < height; ++y)
    for (index_t k = radius; k >= 0; --k) {
      const T* const up = image.data + mirror(y - k, height) * line;
      const T* const down = image.data + mirror(y + k, height) * line;
      const double weight = kernel[static_cast<std::size_t>(k)];
      double* const to = rows.data() + y * line;
      if (k == 0)
        for (index_t i = 0; i < line; ++i) to[i] += weight * static_cast<double>(up[i]);
      else
        for (index_t i = 0; i < line; ++i)
          to[i] += weight * (static_cast<double>(up[i]) + static_cast<double>(down[i]));
    }
  for (index_t x = 0; x < width; ++x)
    for (index_t k = radius; k >= 0; --k) {
      const index_t left = mirror(x - k, width) * channels, right = mirror(x + k, width) * channels;
      const double weight = kernel[static_cast<std::size_t>(k)];
      for (index_t y = 0; y < height; ++y)
        for (index_t c = 0; c < channels; ++c) {
          const double* const row = rows.data() + y * line + c;
          both[static_cast<std::size_t>(y * line + x * channels + c)] +=
              weight * (k == 0 ? row[left] : row[left] + row[right]);
        }
    }
  std::vector<T> blurred(both.size());
  for (std::size_t i = 0; i < both.size(); ++i)
    blurred[i] = static_cast<T>(std::is_integral_v<T> ? std::nearbyint(both[i]) : both[i]);
  if constexpr (std::is_floating_point_v<T>)
    for (index_t c = 0; c < channels; ++c) {
      const Bounds<T> bounds(image, c);
      for (index_t i = c; i < image.size(); i += channels)
        blurred[static_cast<std::size_t>(i)] = bounds.keep(blurred[static_cast<std::size_t>(i)]);
    }
  return blurred;
}

#define XAIJAX_INSTANTIATE(T)                                                               \
  template void background_fill(ImageView<const T>, const Levels&, ImageView<const T>, T*); \
  template std::vector<T> mean_colour(ImageView<const T>);                                  \
  template std::vector<T> gaussian_blur(ImageView<const T>, double);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
