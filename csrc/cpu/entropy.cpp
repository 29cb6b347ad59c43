#include "xaijax/entropy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace xaijax {

namespace {

double entropy_of_counts(const std::vector<index_t>& counts) {
  double total = 0.0;
  for (const index_t n : counts) total += static_cast<double>(n);
  double bits = 0.0;
  for (const index_t n : counts) {
    if (n == 0) continue;
    const double p = static_cast<double>(n) / total;
    bits -= p * std::log2(p);
  }
  return bits;
}

}  // namespace

template <class T>
double histogram_entropy(ImageView<const T> image, int bins, BinRange range) {
  const index_t size = image.size();
  if (size == 0) return std::numeric_limits<double>::quiet_NaN();
  double low = range.low, high = range.high;
  if (range.from_image) {
    const auto [smallest, largest] = std::minmax_element(image.data, image.data + size);
    low = static_cast<double>(*smallest);
    high = static_cast<double>(*largest);
  }
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  std::vector<index_t> counts(static_cast<std::size_t>(bins), 0);
  for (index_t i = 0; i < size; ++i) {
    const double value = static_cast<double>(image.data[i]);
    if (!(value >= low && value <= high)) continue;
    const auto bin = static_cast<index_t>((value - low) / (high - low) * bins);
    ++counts[static_cast<std::size_t>(std::min<index_t>(bin, bins - 1))];
  }
  return entropy_of_counts(counts);
}

template double histogram_entropy(ImageView<const std::uint8_t>, int, BinRange);
template double histogram_entropy(ImageView<const std::uint16_t>, int, BinRange);
template double histogram_entropy(ImageView<const float>, int, BinRange);
template double histogram_entropy(ImageView<const double>, int, BinRange);

}  // namespace xaijax
