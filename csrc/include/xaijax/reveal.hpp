// Reveal: the images a perturbation curve is measured on. Image i shows the pixels known at step i with their own
// value, bit for bit, and rebuilds the others by one of the fills.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "xaijax/reveal_order.hpp"
#include "reveal/linear_fill.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

enum class Fill : int {
  linear = 0,        // Delaunay cells of the known pixels and the corners
  background = 1,    // a colour or an image that is given
  mean = 2,          // the intact image's mean colour
  blur = 3,          // the intact image under a Gaussian
  nearest = 4,       // the mean of the nearest known pixels
  noisy_linear = 5,  // ROAD: every pixel the weighted mean of its neighbours, plus noise
};

struct RevealOptions {
  Fill fill = Fill::linear;
  double sigma = 0.0;      // blur: standard deviation in pixels
  double noise = 0.0;      // noisy_linear: standard deviation in pixel values
  std::uint64_t seed = 0;  // noisy_linear
};

// One image, one map: writes levels.count images to out. `background` is used by Fill::background alone and is one
// pixel or as large as the image. `start` is for Fill::linear, see LinearFill.
template <class T>
void reveal(ImageView<const T> image, const Levels& levels, ImageView<const T> background,
            const RevealOptions& options, T* out, const LinearStart<T>* start = nullptr);

// A batch of maps. Item i is made from image image_of[i], levels level_of[i] and background background_of[i], so that
// any of them can be shared.
template <class T>
struct RevealBatch {
  ImageView<const T> images;  // the first one, and so on
  Levels levels;
  ImageView<const T> backgrounds;
  std::vector<index_t> image_of, level_of, background_of;
  T* out = nullptr;
};

// Runs a batch; each(count, task) calls task(i) for all i below count, on any threads. Maps of one image that know the
// same pixels at the first step share its triangulation: the result is the same, bit for bit.
template <class T, class Each>
void reveal_batch(const RevealBatch<T>& batch, const RevealOptions& options, const Each& each) {
  const auto count = static_cast<index_t>(batch.image_of.size());
  index_t images = 0;
  for (const index_t i : batch.image_of) images = std::max(images, i + 1);
  const auto of = [](const std::vector<index_t>& owner, index_t item) { return owner[static_cast<std::size_t>(item)]; };
  const auto image_at = [&](index_t i) {
    ImageView<const T> image = batch.images;
    image.data += i * image.size();
    return image;
  };
  const auto levels_at = [&](index_t item) {
    Levels levels = batch.levels;
    levels.data += of(batch.level_of, item) * batch.images.pixels();
    return levels;
  };
  std::vector<index_t> first_item(static_cast<std::size_t>(images), -1), uses(static_cast<std::size_t>(images), 0);
  for (index_t item = 0; item < count; ++item) {
    const auto i = static_cast<std::size_t>(of(batch.image_of, item));
    if (uses[i]++ == 0) first_item[i] = item;
  }
  const bool shares = options.fill == Fill::linear && count > images && batch.levels.count > 0 &&
                      std::min(batch.images.height, batch.images.width) > 1;
  std::vector<LinearStart<T>> starts(shares ? static_cast<std::size_t>(images) : 0);
  if (shares)
    each(images, [&](index_t i) {
      LinearFill<T>().first(image_at(i), levels_at(first_item[static_cast<std::size_t>(i)]),
                            starts[static_cast<std::size_t>(i)]);
    });
  each(count, [&](index_t item) {
    const index_t i = of(batch.image_of, item);
    const Levels levels = levels_at(item);
    ImageView<const T> background = batch.backgrounds;
    background.data += of(batch.background_of, item) * background.size();
    const LinearStart<T>* start = nullptr;
    if (shares) {
      const Levels first = levels_at(first_item[static_cast<std::size_t>(i)]);
      bool same = true;
      for (index_t p = 0; same && p < batch.images.pixels(); ++p) same = (levels.step(p) == 0) == (first.step(p) == 0);
      if (same) start = &starts[static_cast<std::size_t>(i)];
    }
    reveal(image_at(i), levels, background, options, batch.out + item * levels.count * batch.images.size(), start);
  });
}

}  // namespace xaijax
