#include "xaijax/reveal.hpp"

#include "reveal/fills.hpp"
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

}  // namespace

template <class T>
void reveal(ImageView<const T> image, const Levels& levels, ImageView<const T> background,
            const RevealOptions& options, T* out, const LinearStart<T>* start) {
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

template void reveal(ImageView<const std::uint8_t>, const Levels&, ImageView<const std::uint8_t>,
                     const RevealOptions&, std::uint8_t*, const LinearStart<std::uint8_t>*);
template void reveal(ImageView<const std::uint16_t>, const Levels&, ImageView<const std::uint16_t>,
                     const RevealOptions&, std::uint16_t*, const LinearStart<std::uint16_t>*);
template void reveal(ImageView<const float>, const Levels&, ImageView<const float>, const RevealOptions&, float*,
                     const LinearStart<float>*);
template void reveal(ImageView<const double>, const Levels&, ImageView<const double>, const RevealOptions&, double*,
                     const LinearStart<double>*);

}  // namespace xaijax
