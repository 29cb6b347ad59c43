#include "xaijax/mutual_information.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace xaijax {

namespace {

constexpr index_t block = 1024;
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// n log2 n, from a table where it is asked for most.
double n_log2_n(std::uint32_t n) {
  constexpr std::uint32_t size = 1u << 14;
  static const std::vector<double> table = [] {
    std::vector<double> values(size, 0.0);
    for (std::uint32_t k = 1; k < size; ++k) values[k] = k * std::log2(static_cast<double>(k));
    return values;
  }();
  return n < size ? table[n] : n * std::log2(static_cast<double>(n));
}

// With H = log2 N - (1/N) sum n log2 n for each term: I = log2 N + (S_xy - S_x - S_y) / N.
double information_of_joint(const std::vector<std::uint32_t>& joint, int bins, index_t pixels) {
  const auto size = static_cast<std::size_t>(bins);
  std::vector<std::uint32_t> column(size, 0);
  double of_joint = 0.0, of_x = 0.0, of_y = 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    std::uint32_t row = 0;
    for (std::size_t y = 0; y < size; ++y) {
      const std::uint32_t n = joint[x * size + y];
      if (n == 0) continue;
      row += n;
      column[y] += n;
      of_joint += n_log2_n(n);
    }
    of_x += n_log2_n(row);
  }
  for (const std::uint32_t n : column) of_y += n_log2_n(n);
  const double total = static_cast<double>(pixels), log_total = std::log2(total);
  const double entropy_x = log_total - of_x / total, entropy_y = log_total - of_y / total;
  const double information = log_total + (of_joint - of_x - of_y) / total;
  // Rounding must not break 0 <= I <= H.
  return std::max(0.0, std::min({information, entropy_x, entropy_y}));
}

template <class T>
void take_channel(const T* first, index_t n, index_t stride, T* out) {
  for (index_t i = 0; i < n; ++i) out[i] = first[i * stride];
}

}  // namespace

template <class T>
BinnedReference<T>::BinnedReference(ImageView<const T> reference, int bins)
    : pixels_(reference.pixels()), channels_(reference.channels), bins_(bins) {
  if (bins < 1 || bins > max_joint_bins) throw std::invalid_argument("bins out of range");
  if (pixels_ > std::numeric_limits<std::uint32_t>::max()) throw std::invalid_argument("too many pixels");
  channel_.resize(static_cast<std::size_t>(channels_));
  rows_.resize(static_cast<std::size_t>(reference.size()));
  std::vector<T> values(static_cast<std::size_t>(pixels_));
  for (index_t c = 0; c < channels_ && valid_; ++c) {
    Channel& channel = channel_[static_cast<std::size_t>(c)];
    take_channel(reference.data + c, pixels_, channels_, values.data());
    const auto range = extent(values.data(), pixels_);
    valid_ = range.finite;
    channel.constant = range.smallest == range.largest;
    if (!valid_ || channel.constant) continue;
    auto edges = linear_edges<E, E>(static_cast<E>(range.smallest), static_cast<E>(range.largest), bins);
    if (edges.empty()) {
      valid_ = false;
      continue;
    }
    if constexpr (std::is_floating_point_v<T>) {
      channel.binner = Binner<E>(std::move(edges));
    } else {
      channel.table = integer_bins(edges, 0, std::numeric_limits<T>::max(), Outside::clamp);
    }
    std::int32_t bin[block];
    for (index_t start = 0; start < pixels_; start += block) {
      const index_t length = std::min(block, pixels_ - start);
      bin_channel(channel, values.data() + start, length, bin);
      std::copy(bin, bin + length, rows_.begin() + static_cast<std::ptrdiff_t>(c * pixels_ + start));
    }
  }
}

template <class T>
void BinnedReference<T>::bin_channel(const Channel& channel, const T* values, index_t n, std::int32_t* out) const {
  if constexpr (std::is_floating_point_v<T>) {
    channel.binner(values, n, Outside::clamp, out);
  } else {
    for (index_t i = 0; i < n; ++i) out[i] = channel.table[values[i]];
  }
}

template <class T>
double BinnedReference<T>::mutual_information(ImageView<const T> image) const {
  if (!valid_ || image.size() == 0 || !extent(image.data, image.size()).finite) return nan_value;
  std::vector<std::uint32_t> joint(static_cast<std::size_t>(bins_) * static_cast<std::size_t>(bins_));
  double sum = 0.0;
  for (index_t c = 0; c < channels_; ++c) {
    const Channel& channel = channel_[static_cast<std::size_t>(c)];
    if (channel.constant) continue;
    std::fill(joint.begin(), joint.end(), 0u);
    const std::uint16_t* rows = rows_.data() + c * pixels_;
    T values[block];
    std::int32_t bin[block];
    for (index_t start = 0; start < pixels_; start += block) {
      const index_t length = std::min(block, pixels_ - start);
      take_channel(image.data + start * channels_ + c, length, channels_, values);
      bin_channel(channel, values, length, bin);
      for (index_t i = 0; i < length; ++i) ++joint[static_cast<std::size_t>(rows[start + i] * bins_ + bin[i])];
    }
    sum += information_of_joint(joint, bins_, pixels_);
  }
  return sum / static_cast<double>(channels_);
}

template class BinnedReference<std::uint8_t>;
template class BinnedReference<std::uint16_t>;
template class BinnedReference<float>;
template class BinnedReference<double>;

}  // namespace xaijax
