// The CUDA kernels' logic, run on the processor (cuda_on_cpu.hpp) against plain definitions.
#define XAIJAX_CUDA_ON_CPU

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"
#include "cuda/entropy.cuh"
#include "cuda/fill.cuh"
#include "cuda/levels.cuh"
#include "cuda/mutual_information.cuh"
#include "cuda/top_k.cuh"
#include "xaijax/entropy.hpp"
#include "xaijax/levels.hpp"
#include "xaijax/mutual_information.hpp"

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
        for (int i = 0; i < pixels; ++i)
          same &= out[static_cast<std::size_t>(n * pixels + i)] == (first[i] >= threshold ? first[i] : T{0});
      }
      CHECK(same);
    }
  }
}

// Leading axes [maps of an image] broadcast against [images, 1].
xaijax::cuda::Broadcast broadcast(index_t images, index_t per_image, index_t image_step, index_t map_step) {
  xaijax::cuda::Broadcast b;
  b.axes = 2;
  b.length[0] = images, b.length[1] = per_image;
  b.step[0] = image_step, b.step[1] = map_step;
  return b;
}

template <class T>
void test_fill(bool deletion) {
  std::mt19937 random(11);
  const index_t images = 2, per_image = 3, pixels = 35, channels = 3, n_levels = 4;
  const index_t maps = images * per_image;
  std::vector<T> image(static_cast<std::size_t>(images * pixels * channels)), background(image.size());
  for (auto& value : image) value = static_cast<T>(random() % 251);
  for (auto& value : background) value = static_cast<T>(random() % 251);
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(maps * pixels));
  for (auto& level : levels) level = static_cast<std::uint16_t>(random() % 6);
  for (const bool whole : {false, true}) {
    std::vector<T> out(static_cast<std::size_t>(maps * n_levels * pixels * channels));
    xaijax::cuda::FillArguments<T> a;
    a.images = image.data(), a.levels = levels.data(), a.backgrounds = background.data(), a.out = out.data();
    a.image_of = broadcast(images, per_image, 1, 0);
    a.level_of = broadcast(images, per_image, per_image, 1);
    a.background_of = a.image_of;
    a.count = maps, a.n_levels = n_levels, a.pixels = pixels, a.channels = channels;
    a.background_pixels = whole ? pixels : 1;
    a.deletion = deletion;
    cuda_on_cpu::launch(3, 1, 16, xaijax::cuda::fill_kernel<T>, a);
    bool same = true;
    for (index_t m = 0; m < maps; ++m)
      for (index_t l = 0; l < n_levels; ++l)
        for (index_t p = 0; p < pixels; ++p)
          for (index_t c = 0; c < channels; ++c) {
            const index_t n = m / per_image, level = levels[static_cast<std::size_t>(m * pixels + p)];
            const index_t behind = whole ? (n * pixels + p) * channels + c : n * channels + c;
            const T expected = (deletion ? level == 0 || level > l : level <= l)
                                   ? image[static_cast<std::size_t>((n * pixels + p) * channels + c)]
                                   : background[static_cast<std::size_t>(behind)];
            same &= out[static_cast<std::size_t>(((m * n_levels + l) * pixels + p) * channels + c)] == expected;
          }
    CHECK(same);
  }
}

template <class T>
std::vector<T> test_image(index_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (auto& value : values) {
    const auto steps = static_cast<double>(random() % 200);
    value = static_cast<T>(sizeof(T) <= 2 ? steps : steps / 37.0 - 2.0);
  }
  return values;
}

template <class T>
void test_entropy() {
  const index_t height = 9, width = 11, channels = 3, size = height * width * channels;
  auto images = test_image<T>(3 * size, 5);
  std::fill(images.begin() + size, images.begin() + 2 * size, T{3});  // constant
  if constexpr (sizeof(T) > 2) images[static_cast<std::size_t>(2 * size + 4)] = static_cast<T>(NAN);
  for (const xaijax::BinRange range :
       {xaijax::BinRange{}, xaijax::BinRange{false, 0.0, 2.0}, xaijax::BinRange{false, 1.0, 1.0}}) {
    for (const int bins : {1, 7, 256}) {
      std::vector<double> bits(3);
      cuda_on_cpu::launch(2, 1, 16, xaijax::cuda::entropy_kernel<T, double>, images.data(), index_t{3}, size, bins,
                          range, bits.data());
      for (int n = 0; n < 3; ++n) {
        const double cpu =
            xaijax::histogram_entropy<T>({images.data() + n * size, height, width, channels}, bins, range);
        const double gpu = bits[static_cast<std::size_t>(n)];
        CHECK(std::isnan(cpu) ? std::isnan(gpu) : std::abs(gpu - cpu) < 1e-12);
      }
    }
  }
}

template <class T>
void test_mutual_information() {
  const index_t height = 8, width = 10, channels = 2, pixels = height * width, size = pixels * channels;
  auto references = test_image<T>(2 * size, 3);
  for (index_t p = 0; p < pixels; ++p)
    references[static_cast<std::size_t>(size + p * channels)] = T{1};  // constant channel
  auto images = test_image<T>(6 * size, 8);
  std::copy(references.begin(), references.begin() + size, images.begin());
  for (const int bins : {2, 13}) {
    std::vector<double> bits(6);
    cuda_on_cpu::launch(2, 1, 16, xaijax::cuda::mutual_information_kernel<T, double>, images.data(),
                        broadcast(2, 3, 3, 1), references.data(), broadcast(2, 3, 1, 0), index_t{6}, pixels, channels,
                        bins, bits.data());
    for (index_t n = 0; n < 6; ++n) {
      const xaijax::BinnedReference<T> reference({references.data() + n / 3 * size, height, width, channels}, bins);
      const double cpu = reference.mutual_information({images.data() + n * size, height, width, channels});
      CHECK(std::abs(bits[static_cast<std::size_t>(n)] - cpu) < 1e-12);
    }
  }
}

template <class T>
void test_levels() {
  const index_t height = 7, width = 13, pixels = height * width;
  auto maps = test_image<T>(2 * pixels, 2);
  maps[static_cast<std::size_t>(pixels + 5)] = static_cast<T>(NAN);
  std::vector<std::uint8_t> always(static_cast<std::size_t>(pixels), 0);
  always[3] = always[40] = 1;
  const auto* known = reinterpret_cast<const bool*>(always.data());
  const std::vector<double> fractions{0.01, 0.05, 0.34, 0.75, 1.0};
  xaijax::cuda::Fractions part;
  part.count = 5;
  std::copy(fractions.begin(), fractions.end(), part.values);
  std::vector<T> thresholds(10);
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(2 * pixels)), expected(levels.size());
  const auto map_of = broadcast(2, 1, 1, 0), always_of = broadcast(2, 1, 0, 0);
  cuda_on_cpu::launch(2, 5, 8, xaijax::cuda::threshold_kernel<T>, maps.data(), map_of, index_t{2}, pixels, part, 5,
                      thresholds.data());
  cuda_on_cpu::launch(3, 1, 8, xaijax::cuda::levels_kernel<T>, maps.data(), map_of, known, always_of, index_t{2},
                      pixels, 5, thresholds.data(), levels.data());
  for (index_t n = 0; n < 2; ++n)
    xaijax::reveal_levels<T>({maps.data() + n * pixels, height, width}, fractions, known, expected.data() + n * pixels);
  CHECK(levels == expected);
}

void test_mean() {
  // Channel 0: mean 1.5 -> 2, channel 1: mean 2.5 -> 2 (half to even).
  const std::vector<std::uint8_t> image{1, 2, 2, 3, 1, 2, 2, 3};
  std::vector<std::uint8_t> mean(2);
  cuda_on_cpu::launch(1, 2, 4, xaijax::cuda::mean_kernel<std::uint8_t>, image.data(), index_t{4}, index_t{2},
                      mean.data());
  CHECK(mean[0] == 2 && mean[1] == 2);
  std::vector<double> values(300);
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] = 0.1 * static_cast<double>(i % 17);
  double double_mean = 0.0;
  cuda_on_cpu::launch(1, 1, 16, xaijax::cuda::mean_kernel<double>, values.data(), index_t{300}, index_t{1},
                      &double_mean);
  CHECK(std::abs(double_mean - sum / 300.0) < 1e-12);
}

}  // namespace

int main() {
  test_top_k<float>();
  test_top_k<double>();
  test_fill<std::uint8_t>(false);
  test_fill<float>(true);
  test_mean();
  test_entropy<std::uint8_t>();
  test_entropy<float>();
  test_entropy<double>();
  test_mutual_information<std::uint8_t>();
  test_mutual_information<float>();
  test_levels<float>();
  test_levels<double>();
  return check::report();
}
