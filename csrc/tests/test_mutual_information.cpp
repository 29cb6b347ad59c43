#include "xaijax/mutual_information.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"

namespace {

template <class T>
double information(const std::vector<T>& image, const std::vector<T>& reference, xaijax::index_t channels, int bins) {
  const auto pixels = static_cast<xaijax::index_t>(reference.size()) / channels;
  const xaijax::BinnedReference<T> binned({reference.data(), 1, pixels, channels}, bins);
  return binned.mutual_information({image.data(), 1, pixels, channels});
}

template <class T>
void closed_forms() {
  std::vector<T> ramp(64), reversed(64), constant(64, T(9)), columns(64);
  for (int i = 0; i < 64; ++i) {
    ramp[static_cast<std::size_t>(i)] = static_cast<T>(i);
    reversed[static_cast<std::size_t>(i)] = static_cast<T>(63 - i);
    columns[static_cast<std::size_t>(i)] = static_cast<T>(i % 8 * 8);
  }
  CHECK(information(ramp, ramp, 1, 4) == 2.0);
  CHECK(information(reversed, ramp, 1, 4) == 2.0);
  CHECK(information(constant, ramp, 1, 4) == 0.0);
  CHECK(information(ramp, constant, 1, 4) == 0.0);
  CHECK(std::abs(information(columns, ramp, 1, 4)) < 1e-12);
  // Two channels, one of them constant: half of the information.
  std::vector<T> both(128, T(1));
  for (int i = 0; i < 64; ++i) both[static_cast<std::size_t>(2 * i)] = static_cast<T>(i);
  CHECK(information(both, both, 2, 4) == 1.0);
}

template <class T>
void never_more_than_the_entropy() {
  std::mt19937 random(0);
  std::vector<T> reference(999), image(999);
  for (int round = 0; round < 50; ++round) {
    for (auto& value : reference) value = static_cast<T>(50 + random() % 100);
    for (std::size_t i = 0; i < image.size(); ++i)
      image[i] = static_cast<T>(random() % 4 ? reference[i] : static_cast<T>(random() % 250));  // in and out of range
    const double found = information(image, reference, 3, 2 + round),
                 all = information(reference, reference, 3, 2 + round);
    CHECK(found >= 0.0 && found <= all && all <= std::log2(2.0 + round));
  }
}

}  // namespace

int main() {
  closed_forms<std::uint8_t>();
  closed_forms<std::uint16_t>();
  closed_forms<float>();
  closed_forms<double>();
  never_more_than_the_entropy<std::uint8_t>();
  never_more_than_the_entropy<std::uint16_t>();
  never_more_than_the_entropy<float>();
  never_more_than_the_entropy<double>();
  const std::vector<float> good{0.0f, 1.0f, 2.0f, 3.0f};
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> holey{0.0f, bad, 2.0f, 3.0f};
    CHECK(std::isnan(information(holey, good, 1, 2)));
    CHECK(std::isnan(information(good, holey, 1, 2)));
  }
  return check::report();
}
