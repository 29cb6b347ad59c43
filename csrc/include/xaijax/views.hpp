// Plain views: what every kernel takes and gives. C-contiguous, row-major, channels last.
// Units and layout: images are [height, width, channels], maps are [height, width]; a view never owns memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xaijax {

using index_t = std::int64_t;

template <class T>
struct ImageView {
  T* data = nullptr;
  index_t height = 0;
  index_t width = 0;
  index_t channels = 0;

  index_t pixels() const { return height * width; }
  index_t size() const { return height * width * channels; }
};

template <class T>
struct MapView {
  T* data = nullptr;
  index_t height = 0;
  index_t width = 0;

  index_t size() const { return height * width; }
};

}  // namespace xaijax
