#include "xaijax/reveal.hpp"

#include "reveal/fills.hpp"
#include "reveal/linear_fill.hpp"
#include "reveal/nearest_fill.hpp"
#include "reveal/noisy_fill.hpp"

namespace xaijax {

namespace {

// A worker's memory is kept for the thread's next map unless it is large: fresh pages cost as much as a small map.
template <class T>
void linear(ImageView<const T> image, const Levels& levels, T* out, const LinearStart<T>* start) {
  constexpr index_t kept = 1 << 19;
  if (image.pixels() > kept) return LinearFill<T>().run(image, levels, out, start);
  thread_local LinearFill<T> worker;
  worker.run(image, levels, out, start);
}

// `start` is for Fill::linear and may be null, see LinearFill.
template <class T>
void reveal_from(const LinearStart<T>* start, ImageView<const T> image, const Levels& levels,
                 ImageView<const T> background, const RevealOptions& options, T* out) {
  switch (options.fill) {
    case Fill::linear:
      return linear(image, levels, out, start);
    case Fill::background:
      return background_fill(image, levels, background, out);
    case Fill::mean: {
      const std::vector<T> colour = mean_colour(image);
      return background_fill(image, levels, ImageView<const T>{colour.data(), 1, 1, image.channels}, out);
    }
    case Fill::blur: {
      const std::vector<T> blurred = gaussian_blur(image, options.sigma);
      return background_fill(image, levels, {blurred.data(), image.height, image.width, image.channels}, out);
    }
    case Fill::nearest:
      return nearest_fill(image, levels, out);
    case Fill::noisy_linear:
      return noisy_linear_fill(image, levels, options.noise, options.seed, out);
  }
}

}  // namespace

template <class T>
void reveal(ImageView<const T> image, const Levels& levels, ImageView<const T> background, const RevealOptions& options,
            T* out) {
  reveal_from<T>(nullptr, image, levels, background, options, out);
}

template <class T>
void reveal_batch(const RevealBatch<T>& batch, const RevealOptions& options, const Loop& loop) {
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
    loop(images, [&](index_t i) {
      LinearFill<T>().first(image_at(i), levels_at(first_item[static_cast<std::size_t>(i)]),
                            starts[static_cast<std::size_t>(i)]);
    });
  loop(count, [&](index_t item) {
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
    reveal_from(start, image_at(i), levels, background, options, batch.out + item * levels.count * batch.images.size());
  });
}

#define XAIJAX_INSTANTIATE(T)                                                                            \
  template void reveal(ImageView<const T>, const Levels&, ImageView<const T>, const RevealOptions&, T*); \
  template void reveal_batch(const RevealBatch<T>&, const RevealOptions&, const Loop&);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
