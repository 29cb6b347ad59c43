// Reveal levels in the one order the fills work in: known sets that grow from image to image.
#pragma once

#include <algorithm>
#include <cstdint>

#include "xaijax/views.hpp"

namespace xaijax {

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

}  // namespace xaijax
