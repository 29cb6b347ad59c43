// The CUDA kernels on the processor, on random input: writes what they give to the folder named by the first argument,
// one file for each result. Compiled by dump_kernels.py against the sources of the side that is dumped.
#define XAIJAX_CUDA_ON_CPU

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "cuda/entropy.cuh"
#include "cuda/fill.cuh"
#include "cuda/levels.cuh"
#include "cuda/mutual_information.cuh"
#include "cuda/top_k.cuh"

namespace {

using xaijax::index_t;

std::string folder;

// A raw file whose name ends in its NumPy type.
template <class T>
void write(const std::string& name, const std::vector<T>& values) {
  const char* kind = std::is_floating_point<T>::value ? "f" : "u";
  const std::string path = folder + "/" + name + "." + kind + std::to_string(sizeof(T));
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(values.data(), sizeof(T), values.size(), file) != values.size()) std::exit(1);
  std::fclose(file);
}

template <class T>
std::string name_of() {
  return std::string(std::is_floating_point<T>::value ? "float" : "uint") + std::to_string(8 * sizeof(T));
}

template <class T>
std::vector<T> random_values(index_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (auto& value : values) {
    const auto step = static_cast<double>(random() % 4096);
    value = sizeof(T) == 1 ? static_cast<T>(random() % 256)
                           : (sizeof(T) == 2 ? static_cast<T>(16 * (random() % 4096)) : static_cast<T>(step / 37.0 - 50.0));
  }
  return values;
}

// Leading axes [maps of an image] against [images, 1].
xaijax::cuda::Broadcast broadcast(index_t images, index_t per_image, index_t image_step, index_t map_step) {
  xaijax::cuda::Broadcast b;
  b.axes = 2;
  b.length[0] = images, b.length[1] = per_image;
  b.step[0] = image_step, b.step[1] = map_step;
  return b;
}

template <class T, class Real>
void information(const std::string& real) {
  const index_t channels = 3, pixels = 23 * 17, size = pixels * channels;
  const auto images = random_values<T>(6 * size, 1), references = random_values<T>(2 * size, 2);
  int number = 0;
  for (const xaijax::BinRange range : {xaijax::BinRange{}, xaijax::BinRange{false, -3.5, 40.0}}) {
    for (const int bins : {7, 256}) {
      std::vector<Real> bits(6);
      cuda_on_cpu::launch(2, 1, 32, xaijax::cuda::entropy_kernel<T, Real>, images.data(), index_t{6}, size, bins, range,
                          bits.data());
      write("entropy-" + name_of<T>() + "-" + real + "-" + std::to_string(number++), bits);
    }
  }
  for (const int bins : {3, 24}) {
    std::vector<Real> bits(6);
    cuda_on_cpu::launch(2, 1, 32, xaijax::cuda::mutual_information_kernel<T, Real>, images.data(),
                        broadcast(2, 3, 3, 1), references.data(), broadcast(2, 3, 1, 0), index_t{6}, pixels, channels,
                        bins, bits.data());
    write("mutual_information-" + name_of<T>() + "-" + real + "-" + std::to_string(bins), bits);
  }
}

template <class T>
void fills() {
  const index_t images = 2, per_image = 3, maps = 6, pixels = 19 * 13, channels = 3, n_levels = 4;
  const auto image = random_values<T>(images * pixels * channels, 3);
  std::vector<T> means(static_cast<std::size_t>(images * channels));
  cuda_on_cpu::launch(2, 3, 32, xaijax::cuda::mean_kernel<T>, image.data(), pixels, channels, means.data());
  write("mean-" + name_of<T>(), means);
  std::mt19937 random(4);
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(maps * pixels));
  for (auto& level : levels) level = static_cast<std::uint16_t>(random() % 6);
  for (const bool deletion : {false, true}) {
    std::vector<T> out(static_cast<std::size_t>(maps * n_levels * pixels * channels));
    xaijax::cuda::FillArguments<T> a;
    a.images = image.data(), a.levels = levels.data(), a.backgrounds = means.data(), a.out = out.data();
    a.image_of = broadcast(images, per_image, 1, 0);
    a.level_of = broadcast(images, per_image, per_image, 1);
    a.background_of = a.image_of;
    a.count = maps, a.n_levels = n_levels, a.pixels = pixels, a.channels = channels;
    a.background_pixels = 1;
    a.deletion = deletion;
    cuda_on_cpu::launch(3, 1, 32, xaijax::cuda::fill_kernel<T>, a);
    write("fill-" + name_of<T>() + (deletion ? "-deletion" : "-insertion"), out);
  }
}

template <class T>
void ranks() {
  const index_t pixels = 31 * 29;
  const auto maps = random_values<T>(2 * pixels, 5);
  std::vector<std::uint8_t> always(static_cast<std::size_t>(pixels), 0);
  always[3] = always[40] = 1;
  xaijax::cuda::Fractions fractions;
  fractions.count = 5;
  const double chosen[] = {0.01, 0.05, 0.34, 0.75, 1.0};
  for (int i = 0; i < 5; ++i) fractions.values[i] = chosen[i];
  std::vector<T> thresholds(10);
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(2 * pixels));
  const auto map_of = broadcast(2, 1, 1, 0), always_of = broadcast(2, 1, 0, 0);
  cuda_on_cpu::launch(2, 5, 32, xaijax::cuda::threshold_kernel<T>, maps.data(), map_of, index_t{2}, pixels, fractions,
                      5, thresholds.data());
  cuda_on_cpu::launch(3, 1, 32, xaijax::cuda::levels_kernel<T>, maps.data(), map_of,
                      reinterpret_cast<const bool*>(always.data()), always_of, index_t{2}, pixels, 5,
                      thresholds.data(), levels.data());
  write("threshold-" + name_of<T>(), thresholds);
  write("levels-" + name_of<T>(), levels);
  std::vector<T> kept(maps.size());
  cuda_on_cpu::launch(2, 1, 32, xaijax::cuda::top_k_kernel<T>, maps.data(), index_t{2}, pixels, index_t{50},
                      kept.data());
  write("top_k-" + name_of<T>(), kept);
}

}  // namespace

int main(int, char** arguments) {
  folder = arguments[1];
  information<std::uint8_t, double>("double");
  information<std::uint16_t, float>("float");
  information<float, float>("float");
  information<double, double>("double");
  fills<std::uint8_t>();
  fills<std::uint16_t>();
  fills<float>();
  fills<double>();
  ranks<float>();
  ranks<double>();
  return 0;
}
