#include <cmath>
#include <vector>

#include "check.hpp"
#include "xaijax/entropy.hpp"

int main() {
  using xaijax::ImageView;
  const std::vector<std::uint8_t> halves{0, 0, 255, 255};
  CHECK(xaijax::histogram_entropy<std::uint8_t>({halves.data(), 2, 2, 1}, 256, {}) == 1.0);
  const std::vector<float> constant(12, 0.25f);
  CHECK(xaijax::histogram_entropy<float>({constant.data(), 2, 2, 3}, 256, {}) == 0.0);
  std::vector<std::uint8_t> all(256);
  for (int i = 0; i < 256; ++i) all[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  CHECK(std::abs(xaijax::histogram_entropy<std::uint8_t>({all.data(), 16, 16, 1}, 256, {}) - 8.0) < 1e-12);
  return check::report();
}
