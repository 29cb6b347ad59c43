#include "xaijax/mutual_information.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "histogram/histogram.hpp"
#include "histogram/n_log2_n.hpp"

namespace xaijax {

namespace {

constexpr index_t block = 1024;
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// Joint counts of one channel: the sum of `tables` tables of bins x bins, `distance` apart. Sums them in the first.
// With H = log2 N - (1/N) sum n log2 n for each term: I = log2 N + (S_xy - S_x - S_y) / N.
double information_of_joint(std::uint32_t* joint, int tables, std::size_t distance, int bins, index_t pixels) {
  constexpr std::size_t step = 8;
  const auto size = static_cast<std::size_t>(bins);
  const NLog2N n_log2_n;
  std::vector<std::uint32_t> column(size, 0);
  double of_joint = 0.0, of_x = 0.0, of_y = 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    std::uint32_t* const cells = joint + x * size;
    for (int t = 1; t < tables; ++t)
      for (std::size_t y = 0; y < size; ++y) cells[y] += cells[static_cast<std::size_t>(t) * distance + y];
    std::uint32_t row = 0;
    for (std::size_t y = 0; y < size; ++y) {
      row += cells[y];
      column[y] += cells[y];
    }
    of_x += n_log2_n(row);
    // Most cells are empty, and the full ones lie together.
    for (std::size_t start = 0; start < size && row > 0; start += step) {
      const std::size_t end = std::min(size, start + step);
      std::uint32_t any = 0;
      for (std::size_t y = start; y < end; ++y) any |= cells[y];
      if (any == 0) continue;
      double sum = 0.0;  // short chains of additions
      for (std::size_t y = start; y < end; ++y) sum += n_log2_n(cells[y]);
      of_joint += sum;
    }
  }
  for (const std::uint32_t n : column) of_y += n_log2_n(n);
  const double total = static_cast<double>(pixels), log_total = std::log2(total);
  const double entropy_x = log_total - of_x / total, entropy_y = log_total - of_y / total;
  const double information = log_total + (of_joint - of_x - of_y) / total;
  // Rounding must not break 0 <= I <= H.
  return std::max(0.0, std::min({information, entropy_x, entropy_y}));
}

// Joint counts of interleaved integers, all channels in one pass. Neighbouring pixels often fall into one cell, and
// would wait for each other's store: `tables` of them by turns, each with a table for every channel.
template <int channels, int tables, class T>
void count_interleaved(const T* values, const std::uint16_t* rows, const std::uint16_t* const* bin_of, index_t pixels,
                       std::size_t bins, std::size_t distance, std::uint32_t* joint) {
  index_t p = 0;
  for (; p + tables <= pixels; p += tables)
    for (int t = 0; t < tables; ++t)
      for (int c = 0; c < channels; ++c) {
        const index_t i = (p + t) * channels + c;
        ++joint[static_cast<std::size_t>(t * channels + c) * distance + rows[i] * bins + bin_of[c][values[i]]];
      }
  for (; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) {
      const index_t i = p * channels + c;
      ++joint[static_cast<std::size_t>(c) * distance + rows[i] * bins + bin_of[c][values[i]]];
    }
}

template <class T>
void take_channel(const T* first, index_t n, index_t stride, T* out) {
  for (index_t i = 0; i < n; ++i) out[i] = first[i * stride];
}

}  // namespace

template <class T>
class BinnedReference<T>::Bins {
 public:
  Bins(ImageView<const T> reference, int bins);

  double mutual_information(ImageView<const T> image) const;

 private:
  using E = typename EdgeOf<T>::type;
  struct Channel {
    bool constant = false;
    Binner<E> binner;                  // float and double
    std::vector<std::uint16_t> table;  // bin of every value: integers
  };

  void bin_channel(const Channel& channel, const T* values, index_t n, std::int32_t* out) const;
  double of_interleaved(ImageView<const T> image) const;

  // Integers in one or three channels are counted as they lie; anything else goes channel by channel.
  bool interleaved() const { return std::is_integral_v<T> && (channels_ == 1 || channels_ == 3); }

  std::size_t row_of(index_t pixel, index_t channel) const {
    return static_cast<std::size_t>(interleaved() ? pixel * channels_ + channel : channel * pixels_ + pixel);
  }

  index_t pixels_, channels_;
  int bins_;
  bool valid_ = true;
  std::vector<Channel> channel_;
  std::vector<std::uint16_t> rows_;  // bins of the reference, [pixels, channels] or [channels, pixels]
};

template <class T>
BinnedReference<T>::BinnedReference(ImageView<const T> reference, int bins)
    : bins_(std::make_shared<const Bins>(reference, bins)) {}

template <class T>
double BinnedReference<T>::mutual_information(ImageView<const T> image) const {
  return bins_->mutual_information(image);
}

template <class T>
BinnedReference<T>::Bins::Bins(ImageView<const T> reference, int bins)
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
      const auto table = integer_bins(edges, 0, std::numeric_limits<T>::max(), Outside::clamp);
      channel.table.assign(table.begin(), table.end());
    }
    std::int32_t bin[block];
    for (index_t start = 0; start < pixels_; start += block) {
      const index_t length = std::min(block, pixels_ - start);
      bin_channel(channel, values.data() + start, length, bin);
      for (index_t i = 0; i < length; ++i) rows_[row_of(start + i, c)] = static_cast<std::uint16_t>(bin[i]);
    }
  }
}

template <class T>
void BinnedReference<T>::Bins::bin_channel(const Channel& channel, const T* values, index_t n,
                                           std::int32_t* out) const {
  if constexpr (std::is_floating_point_v<T>) {
    channel.binner(values, n, Outside::clamp, out);
  } else {
    for (index_t i = 0; i < n; ++i) out[i] = channel.table[values[i]];
  }
}

template <class T>
double BinnedReference<T>::Bins::mutual_information(ImageView<const T> image) const {
  if (!valid_ || image.size() == 0) return nan_value;
  if constexpr (std::is_integral_v<T>) {
    if (interleaved()) return of_interleaved(image);
  } else {
    if (!extent(image.data, image.size()).finite) return nan_value;
  }
  const std::size_t cells = static_cast<std::size_t>(bins_) * static_cast<std::size_t>(bins_);
  std::vector<std::uint32_t> joint(2 * cells);
  double sum = 0.0;
  for (index_t c = 0; c < channels_; ++c) {
    const Channel& channel = channel_[static_cast<std::size_t>(c)];
    if (channel.constant) continue;
    std::fill(joint.begin(), joint.end(), 0u);
    std::uint32_t* const even = joint.data();
    std::uint32_t* const odd = even + cells;
    const std::uint16_t* rows = rows_.data() + c * pixels_;
    T values[block];
    std::int32_t bin[block];
    for (index_t start = 0; start < pixels_; start += block) {
      const index_t length = std::min(block, pixels_ - start);
      take_channel(image.data + start * channels_ + c, length, channels_, values);
      bin_channel(channel, values, length, bin);
      const auto cell = [&](index_t i) { return static_cast<std::size_t>(rows[start + i] * bins_ + bin[i]); };
      index_t i = 0;
      for (; i + 2 <= length; i += 2) {
        ++even[cell(i)];
        ++odd[cell(i + 1)];
      }
      if (i < length) ++even[cell(i)];
    }
    sum += information_of_joint(even, 2, cells, bins_, pixels_);
  }
  return sum / static_cast<double>(channels_);
}

template <class T>
double BinnedReference<T>::Bins::of_interleaved([[maybe_unused]] ImageView<const T> image) const {
  double sum = 0.0;
  if constexpr (std::is_integral_v<T>) {
    constexpr int few = 128;  // more bins than this, and more tables would leave the second-level cache
    // The distance of two tables is no multiple of 4096 bytes: a load whose address shares its low bits with that of a
    // store before waits for it, and the channels of a grey pixel fall into one cell.
    const auto bins = static_cast<std::size_t>(bins_), distance = bins * bins + 80;
    const int tables = bins_ > few ? 1 : channels_ == 1 ? 4 : 2;
    std::vector<std::uint32_t> joint(static_cast<std::size_t>(tables * channels_) * distance);
    const std::vector<std::uint16_t> zeros(std::size_t{1} << (8 * sizeof(T)));
    const std::uint16_t* bin_of[3] = {};
    for (std::size_t c = 0; c < channel_.size(); ++c)
      bin_of[c] = channel_[c].constant ? zeros.data() : channel_[c].table.data();
    const auto count = [&](auto channels, auto by_turns) {
      count_interleaved<channels.value, by_turns.value>(image.data, rows_.data(), bin_of, pixels_, bins, distance,
                                                        joint.data());
    };
    using one = std::integral_constant<int, 1>;
    using two = std::integral_constant<int, 2>;
    using three = std::integral_constant<int, 3>;
    using four = std::integral_constant<int, 4>;
    if (channels_ == 1)
      tables == 1 ? count(one(), one()) : count(one(), four());
    else
      tables == 1 ? count(three(), one()) : count(three(), two());
    for (std::size_t c = 0; c < channel_.size(); ++c)
      if (!channel_[c].constant)
        sum += information_of_joint(joint.data() + c * distance, tables, channel_.size() * distance, bins_, pixels_);
  }
  return sum / static_cast<double>(channels_);
}

template class BinnedReference<std::uint8_t>;
template class BinnedReference<std::uint16_t>;
template class BinnedReference<float>;
template class BinnedReference<double>;

}  // namespace xaijax
