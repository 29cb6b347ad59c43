// The CUDA kernels' logic, run on the processor (cuda_on_cpu.hpp) against plain definitions.
#define XAIJAX_CUDA_ON_CPU

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"
#include "cuda/fill.cuh"
#include "cuda/top_k.cuh"

namespace {

using xaijax::index_t;

template <class T>
void test_top_k() {
  std::mt19937 random(7);
  for (const int pixels : {1, 2, 37, 400}) {
    std::vector<T> maps(static_cast<std::size_t>(3 * pixels));
    for (auto& value : maps) value = static_cast<T>(static_cast<int>(random() % 41) - 20) / T{4};  // many ties, signs
    for (const int k : {1, (pixels + 1) / 2, pixels}) {
      std::vector<T> out(maps.size(), T{-1});
      cuda_on_cpu::launch(2, 1, 8, xaijax::cuda::top_k_kernel<T>, maps.data(), index_t{3}, index_t{pixels}, index_t{k},
                          out.data());
      bool same = true;
      for (int n = 0; n < 3; ++n) {
        const auto first = maps.begin() + n * pixels;
        std::vector<T> sorted(first, first + pixels);
        std::sort(sorted.begin(), sorted.end(), std::greater<T>());
        const T threshold = sorted[static_cast<std::size_t>(k - 1)];
        for (int i = 0; i < pixels; ++i) same &= out[static_cast<std::size_t>(n * pixels + i)] == (first[i] >= threshold ? first[i] : T{0});
      }
      CHECK(same);
    }
  }
}

template <class T>
void test_fill(bool deletion) {
  std::mt19937 random(11);
  const index_t images = 2, per_image = 3, pixels = 35, channels = 3, n_levels = 4;
  const index_t maps = images * per_image;
  std::vector<T> image(static_cast<std::size_t>(images * pixels * channels)), fill(image.size());
  for (auto& value : image) value = static_cast<T>(random() % 251);
  for (auto& value : fill) value = static_cast<T>(random() % 251);
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(maps * pixels));
  for (auto& level : levels) level = static_cast<std::uint16_t>(random() % 6);
  using xaijax::cuda::FillSource;
  for (const auto source : {FillSource::per_channel, FillSource::per_image_channel, FillSource::image}) {
    std::vector<T> out(static_cast<std::size_t>(maps * n_levels * pixels * channels));
    xaijax::cuda::FillArguments<T> a;
    a.images = image.data(), a.levels = levels.data(), a.fill = fill.data(), a.source = source, a.out = out.data();
    a.maps = maps, a.maps_per_image = per_image, a.n_levels = n_levels, a.pixels = pixels, a.channels = channels;
    a.deletion = deletion;
    cuda_on_cpu::launch(3, 1, 16, xaijax::cuda::fill_kernel<T>, a);
    bool same = true;
    for (index_t m = 0; m < maps; ++m)
      for (index_t l = 0; l < n_levels; ++l)
        for (index_t p = 0; p < pixels; ++p)
          for (index_t c = 0; c < channels; ++c) {
            const index_t n = m / per_image, level = levels[static_cast<std::size_t>(m * pixels + p)];
            const index_t source_index = source == FillSource::per_channel         ? c
                                         : source == FillSource::per_image_channel ? n * channels + c
                                                                                   : (n * pixels + p) * channels + c;
            const T expected = (deletion ? level > l : level <= l)
                                   ? image[static_cast<std::size_t>((n * pixels + p) * channels + c)]
                                   : fill[static_cast<std::size_t>(source_index)];
            same &= out[static_cast<std::size_t>(((m * n_levels + l) * pixels + p) * channels + c)] == expected;
          }
    CHECK(same);
  }
}

void test_mean() {
  // Channel 0: mean 1.5 -> 2, channel 1: mean 2.5 -> 2 (half to even).
  const std::vector<std::uint8_t> image{1, 2, 2, 3, 1, 2, 2, 3};
  std::vector<std::uint8_t> mean(2);
  cuda_on_cpu::launch(1, 2, 4, xaijax::cuda::mean_kernel<std::uint8_t>, image.data(), index_t{4}, index_t{2}, mean.data());
  CHECK(mean[0] == 2 && mean[1] == 2);
  std::vector<double> values(300);
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] = 0.1 * static_cast<double>(i % 17);
  double double_mean = 0.0;
  cuda_on_cpu::launch(1, 1, 16, xaijax::cuda::mean_kernel<double>, values.data(), index_t{300}, index_t{1}, &double_mean);
  CHECK(std::abs(double_mean - sum / 300.0) < 1e-12);
}

}  // namespace

int main() {
  test_top_k<float>();
  test_top_k<double>();
  test_fill<std::uint8_t>(false);
  test_fill<float>(true);
  test_mean();
  return check::report();
}
