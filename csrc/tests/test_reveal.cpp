// The batch: operands that are shared, fills that need no neighbours, any order of work.
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "reveal/fills.hpp"
#include "reveal/noisy_fill.hpp"
#include "xaijax/parallel.hpp"
#include "xaijax/reveal.hpp"

namespace {

using xaijax::Fill;
using xaijax::ImageView;
using xaijax::index_t;

void shared_operands() {
  std::mt19937 random(5);
  const index_t height = 14, width = 9, channels = 2, count = 4, maps = 3, images = 2;
  const auto pixels = static_cast<std::size_t>(height * width), size = pixels * 2;
  std::vector<std::uint8_t> image(size * images);
  std::vector<std::uint16_t> levels(pixels * maps);
  for (auto& value : image) value = static_cast<std::uint8_t>(random());
  for (auto& level : levels) level = static_cast<std::uint16_t>(random() % 5);
  for (std::size_t p = 0; p < pixels; ++p)  // map 1 starts like map 0
    levels[pixels + p] = levels[p] == 0 ? 0 : std::max<std::uint16_t>(levels[pixels + p], 1);
  for (const Fill fill : {Fill::linear, Fill::background, Fill::mean, Fill::blur}) {
    const xaijax::RevealOptions options{fill, 2.0};
    xaijax::RevealBatch<std::uint8_t> batch;
    batch.images = {image.data(), height, width, channels};
    batch.levels = {levels.data(), height, width, count, false};
    batch.backgrounds = {image.data(), height, width, channels};
    batch.image_of = {0, 0, 0, 1, 1, 1};
    batch.level_of = {0, 1, 2, 2, 1, 0};
    batch.background_of = {1, 1, 1, 0, 0, 0};
    std::vector<std::uint8_t> out(size * count * 6), one(size * count), threaded(out.size());
    batch.out = out.data();
    reveal_batch(batch, options, [](index_t n, const auto& task) {
      for (index_t i = n; i-- > 0;) task(i);
    });
    for (std::size_t item = 0; item < 6; ++item) {
      const auto at = [&](const std::vector<index_t>& owner) { return static_cast<std::size_t>(owner[item]); };
      xaijax::reveal<std::uint8_t>({image.data() + at(batch.image_of) * size, height, width, channels},
                                   {levels.data() + at(batch.level_of) * pixels, height, width, count, false},
                                   {image.data() + at(batch.background_of) * size, height, width, channels}, options,
                                   one.data());
      CHECK(std::equal(one.begin(), one.end(), out.begin() + static_cast<std::ptrdiff_t>(item * one.size())));
    }
    batch.out = threaded.data();
    reveal_batch(batch, options, [](index_t n, const auto& task) { xaijax::parallel_for(n, 3, task); });
    CHECK(threaded == out);
  }
}

void backgrounds() {
  const std::vector<std::uint8_t> image{1, 2, 3, 4, 5, 9};
  const std::vector<std::uint16_t> levels{0, 1, 2, 3, 3, 0};
  const std::vector<std::uint8_t> colour{200};
  std::vector<std::uint8_t> out(12);
  xaijax::background_fill<std::uint8_t>({image.data(), 2, 3, 1}, {levels.data(), 2, 3, 2, false},
                                        {colour.data(), 1, 1, 1}, out.data());
  CHECK((out == std::vector<std::uint8_t>{1, 200, 200, 200, 200, 9, 1, 2, 200, 200, 200, 9}));
  xaijax::background_fill<std::uint8_t>({image.data(), 2, 3, 1}, {levels.data(), 2, 3, 2, true},
                                        {colour.data(), 1, 1, 1}, out.data());
  CHECK((out == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 9, 1, 200, 3, 4, 5, 9}));
  CHECK(xaijax::mean_colour<std::uint8_t>({image.data(), 2, 3, 1})[0] == 4);
  // No rounding takes the mean or the blur out of the image's range.
  for (const double value : {0.1, 7.369585992248639463e+25, 1.0 / 3.0}) {
    const std::vector<double> flat(252 * 4, value);
    for (const double sigma : {0.3, 2.6, 11.0})
      CHECK(xaijax::gaussian_blur<double>({flat.data(), 21, 12, 4}, sigma) == flat);
    CHECK(xaijax::mean_colour<double>({flat.data(), 21, 12, 4}) == std::vector<double>(4, value));
  }
  const std::vector<double> constant(30, 0.1);
  CHECK(xaijax::mean_colour<double>({constant.data(), 5, 6, 1})[0] == 0.1);
}

// The solver works in the channel's own range, however small or large that is.
void noisy_linear_in_any_unit() {
  const std::vector<std::uint16_t> levels{0, 1, 1, 1, 0};
  for (const double unit : {1.0, 1e-200, 1e200}) {
    const std::vector<double> line{0.0, 9.0 * unit, 9.0 * unit, 9.0 * unit, 4.0 * unit};
    std::vector<double> out(5);
    xaijax::noisy_linear_fill<double>({line.data(), 1, 5, 1}, {levels.data(), 1, 5, 1, false}, 0.0, 0, out.data());
    for (std::size_t p = 0; p < 5; ++p) CHECK(std::abs(out[p] / unit - static_cast<double>(p)) < 1e-9);
  }
}

}  // namespace

int main() {
  shared_operands();
  backgrounds();
  noisy_linear_in_any_unit();
  return check::report();
}
