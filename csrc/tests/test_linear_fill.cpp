// The linear fill on planes, in the cells where the answer is known, under flips, and level by level.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "reveal/cell.hpp"
#include "reveal/linear_fill.hpp"

namespace {

using xaijax::index_t;
using xaijax::Levels;
using xaijax::LinearFill;
using xaijax::Point;

template <class T>
std::vector<T> fill(const std::vector<T>& image, index_t height, index_t width, index_t channels,
                    const std::vector<std::uint16_t>& levels, index_t count, bool deletion = false) {
  std::vector<T> out(image.size() * static_cast<std::size_t>(count));
  LinearFill<T>().run({image.data(), height, width, channels}, {levels.data(), height, width, count, deletion},
                      out.data());
  return out;
}

std::vector<std::uint16_t> random_levels(std::mt19937& random, index_t size, unsigned count) {
  std::vector<std::uint16_t> levels(static_cast<std::size_t>(size));
  for (auto& level : levels) level = static_cast<std::uint16_t>(random() % (count + 1));
  return levels;
}

void planes() {
  std::mt19937 random(2);
  for (const auto& [height, width] : {std::pair<index_t, index_t>{1, 1}, {1, 20}, {20, 1}, {2, 2}, {2, 30}, {19, 33}}) {
    std::vector<std::uint8_t> image;
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x) {
        image.push_back(static_cast<std::uint8_t>(3 * x + 2 * y));
        image.push_back(static_cast<std::uint8_t>(200 - x - y));
      }
    const auto out = fill(image, height, width, 2, random_levels(random, height * width, 9), 9);
    bool same = true;
    for (std::size_t i = 0; i < out.size(); ++i) same = same && out[i] == image[i % image.size()];
    CHECK(same);
  }
}

// A diamond of four points around an unknown one, and a triangle's centre of gravity.
void known_cells() {
  const std::vector<std::uint8_t> image{0, 1, 0, 2, 0, 4, 0, 3, 0};
  const std::vector<std::uint16_t> diamond{1, 0, 1, 0, 1, 0, 1, 0, 1};
  CHECK(fill(image, 3, 3, 1, diamond, 1)[4] == 2);  // (1 + 2 + 4 + 3) / 4 = 2.5, half to even
  const std::vector<std::uint16_t> corners(9, 1);
  const std::vector<std::uint8_t> ends{1, 9, 2, 9, 9, 9, 4, 9, 8};
  const auto bilinear = fill(ends, 3, 3, 1, corners, 1);
  CHECK(bilinear[1] == 2 && bilinear[3] == 2 && bilinear[4] == 4 && bilinear[5] == 5 && bilinear[7] == 6);
}

// Wachspress coordinates reproduce positions and sum to one, whatever the cell.
void coordinates() {
  const std::vector<std::vector<Point>> cells{
      {{0, 0}, {9, 2}, {3, 8}},
      {{0, 0}, {6, 0}, {6, 4}, {0, 4}},
      {{4, 0}, {6, 0}, {9, 1}, {10, 2}, {10, 8}, {6, 10}, {4, 10}, {0, 6}, {0, 4}}};
  for (const auto& cell : cells) {
    std::vector<double> x, y;
    std::vector<const double*> xs, ys;
    for (const Point& v : cell) {
      x.push_back(v.x);
      y.push_back(v.y);
    }
    for (std::size_t i = 0; i < cell.size(); ++i) {
      xs.push_back(&x[i]);
      ys.push_back(&y[i]);
    }
    xaijax::CellWeights weights;
    weights.set_cell(cell);
    double error = 0.0;
    for (std::int32_t py = 0; py <= 10; ++py)
      for (std::int32_t px = 0; px <= 10; ++px) {
        bool inside = true, vertex = false;
        for (std::size_t i = 0; i < cell.size(); ++i) {
          inside = inside && xaijax::area2(cell[i], cell[(i + 1) % cell.size()], {px, py}) >= 0;
          vertex = vertex || (cell[i].x == px && cell[i].y == py);
        }
        if (!inside || vertex) continue;
        weights.set_pixel({px, py}, false);
        error = std::max(error, std::abs(weights.real(xs.data(), 0) - px) + std::abs(weights.real(ys.data(), 0) - py));
      }
    CHECK(error < 1e-13);
  }
}

template <class T>
void level_by_level() {
  std::mt19937 random(3);
  const index_t height = 27, width = 22, channels = 3, count = 6;
  std::vector<T> image(static_cast<std::size_t>(height * width * channels));
  for (auto& value : image) value = static_cast<T>(random() % 256) / (std::is_integral_v<T> ? 1 : 7);
  for (int round = 0; round < 5; ++round) {
    const auto levels = random_levels(random, height * width, 6);
    const auto together = fill(image, height, width, channels, levels, count);
    const auto deleted = fill(image, height, width, channels, levels, count, true);
    xaijax::LinearStart<T> start;
    const Levels all{levels.data(), height, width, count, false};
    LinearFill<T>().first({image.data(), height, width, channels}, all, start);
    std::vector<T> resumed(together.size());
    LinearFill<T>().run({image.data(), height, width, channels}, all, resumed.data(), &start);
    CHECK(resumed == together);
    for (index_t i = 0; i < count; ++i) {
      std::vector<std::uint16_t> one(levels.size()), other(levels.size());
      for (std::size_t p = 0; p < levels.size(); ++p) {
        one[p] = levels[p] > i;
        other[p] = levels[p] >= 1 && levels[p] <= i;
      }
      const auto from = static_cast<std::ptrdiff_t>(i * height * width * channels);
      const auto size = static_cast<std::ptrdiff_t>(image.size());
      CHECK(std::equal(together.begin() + from, together.begin() + from + size,
                       fill(image, height, width, channels, one, 1).begin()));
      CHECK(std::equal(deleted.begin() + from, deleted.begin() + from + size,
                       fill(image, height, width, channels, other, 1).begin()));
    }
  }
}

void flips() {
  std::mt19937 random(4);
  const index_t height = 21, width = 34, count = 5;
  for (int round = 0; round < 5; ++round) {
    const auto levels = random_levels(random, height * width, 5);
    std::vector<std::uint16_t> image(levels.size());
    for (auto& value : image) value = static_cast<std::uint16_t>(random());
    auto turned_levels = levels;
    auto turned_image = image;
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x) {
        const auto to = static_cast<std::size_t>(x * height + y);
        const auto from = static_cast<std::size_t>(y * width + width - 1 - x);
        turned_levels[to] = levels[from];
        turned_image[to] = image[from];
      }
    const auto straight = fill(image, height, width, 1, levels, count);
    const auto turned = fill(turned_image, width, height, 1, turned_levels, count);
    bool same = true;
    for (index_t i = 0; i < count; ++i)
      for (index_t y = 0; y < height; ++y)
        for (index_t x = 0; x < width; ++x)
          same = same && turned[static_cast<std::size_t>((i * width + x) * height + y)] ==
                             straight[static_cast<std::size_t>((i * height + y) * width + width - 1 - x)];
    CHECK(same);
  }
}

void not_numbers_stay_local() {
  std::vector<float> image(81, 2.0f);
  image[40] = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::uint16_t> levels(81, 1);
  for (std::size_t y = 0; y < 9; y += 4)
    for (std::size_t x = 0; x < 9; x += 4) levels[y * 9 + x] = 0;
  const auto out = fill(image, 9, 9, 1, levels, 1);
  int lost = 0;
  for (const float value : out) lost += std::isnan(value);
  CHECK(lost == 49);  // the four squares around it without their far sides
}

}  // namespace

int main() {
  planes();
  known_cells();
  coordinates();
  level_by_level<std::uint8_t>();
  level_by_level<std::uint16_t>();
  level_by_level<float>();
  level_by_level<double>();
  flips();
  not_numbers_stay_local();
  return check::report();
}
