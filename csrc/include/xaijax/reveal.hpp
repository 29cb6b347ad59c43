// Reveal: the images a perturbation curve is measured on. Image i shows the pixels known at step i with their own
// value, bit for bit, and rebuilds the others by one of the fills.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "xaijax/parallel.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

// Reveal levels in the one order the fills work in: known sets that grow from image to image.
// levels holds 0 = always known, i + 1 = revealed by fraction i; image i of an insertion knows the pixels with
// level <= i. A deletion starts from the intact image and takes the same pixels away: its image i knows the pixels
// with level 0 or > i, so read backwards it grows too.
struct Levels {
  const std::uint16_t* data = nullptr;
  index_t height = 0;
  index_t width = 0;
  index_t count = 0;  // images, at most 65535
  bool deletion = false;

  // The first growing step that knows the pixel; `count` for never.
  std::uint16_t step(index_t pixel) const {
    const index_t level = data[pixel];
    if (!deletion) return static_cast<std::uint16_t>(std::min(level, count));
    return static_cast<std::uint16_t>(level == 0 ? 0 : std::max<index_t>(count - level, 0));
  }

  // The image that a growing step writes.
  index_t image_of(index_t step) const { return deletion ? count - 1 - step : step; }
};

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
// pixel or as large as the image. T: uint8_t, uint16_t, float, double.
template <class T>
void reveal(ImageView<const T> image, const Levels& levels, ImageView<const T> background, const RevealOptions& options,
            T* out);

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

// Runs a batch, its items handed out by `loop`. Maps of one image that know the same pixels at the first step share its
// triangulation: the result is the same, bit for bit.
template <class T>
void reveal_batch(const RevealBatch<T>& batch, const RevealOptions& options, const Loop& loop);

}  // namespace xaijax
