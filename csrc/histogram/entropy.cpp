#include "xaijax/entropy.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "histogram/byte_bins.hpp"
#include "histogram/byte_counts.hpp"
#include "histogram/histogram.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

namespace {

template <class T>
using EdgesOf = std::vector<typename EdgeOf<T>::type>;

// The edges np.histogram would use. A range given by the caller is float64, and rounded only as edges; the image's
// own range is already in the image's dtype, and so is the arithmetic on it.
template <class T>
EdgesOf<T> edges_of(Extent<T> values, int bins, BinRange range) {
  using E = typename EdgeOf<T>::type;
  if (range.from_image) {
    const E low = static_cast<E>(values.smallest), high = static_cast<E>(values.largest);
    return low == high ? linear_edges<E, E>(low - E(0.5), high + E(0.5), bins) : linear_edges<E, E>(low, high, bins);
  }
  if (range.low == range.high) return linear_edges<double, E>(range.low - 0.5, range.high + 0.5, bins);
  return linear_edges<double, E>(range.low, range.high, bins);
}

// Eight tables by turns, so that neighbours in one bin do not wait for each other's store. Eight equal bins, which is
// what a background is made of, are counted at once.
constexpr std::size_t tables = 8;

// The distance of two tables, known at compile time for as many bins as most have; no power of two (see
// byte_counts.cpp).
constexpr std::size_t usual_stride = 256 + 16;

XAIJAX_INLINE void count_bins(const std::int32_t* bin, index_t n, std::uint32_t* counts, std::size_t stride) {
  constexpr auto step = static_cast<index_t>(tables);
  index_t i = 0;
  for (; i + step <= n; i += step) {
    std::uint64_t pair[tables / 2];
    std::memcpy(pair, bin + i, sizeof pair);
    if (pair[0] == pair[1] && pair[0] == pair[2] && pair[0] == pair[3] && bin[i] == bin[i + 1]) {
      counts[static_cast<std::size_t>(bin[i])] += tables;
      continue;
    }
    std::uint32_t* table = counts;
    for (index_t t = 0; t < step; ++t, table += stride) ++table[bin[i + t]];
  }
  for (; i < n; ++i) ++counts[static_cast<std::size_t>(bin[i])];
}

// Adds the counts of all bins, and at last of what is dropped. T: also uint16_t, which is read as float64, the dtype of
// its edges.
template <class T>
void count_each(const T* values, index_t n, const EdgesOf<T>& edges, Outside outside, std::vector<index_t>& counts) {
  using E = typename EdgeOf<T>::type;
  constexpr index_t block = 2048;
  constexpr index_t flush = index_t(1) << 31;
  const Binner<E> binner(edges);
  const std::size_t places = counts.size();
  const std::size_t stride = std::max(places, usual_stride);
  std::vector<std::uint32_t> partial(tables * stride);
  std::int32_t bin[block];
  E real[block];
  for (index_t chunk = 0; chunk < n; chunk += flush) {
    std::fill(partial.begin(), partial.end(), 0u);
    const index_t stop = std::min(n, chunk + flush);
    for (index_t start = chunk; start < stop; start += block) {
      const index_t length = std::min(block, stop - start);
      if constexpr (std::is_same_v<T, E>) {
        binner(values + start, length, outside, bin);
      } else {
        std::copy(values + start, values + start + length, real);
        binner(real, length, outside, bin);
      }
      if (stride == usual_stride)
        count_bins(bin, length, partial.data(), usual_stride);
      else
        count_bins(bin, length, partial.data(), stride);
    }
    for (std::size_t t = 0; t < tables; ++t)
      for (std::size_t k = 0; k < places; ++k) counts[k] += partial[t * stride + k];
  }
}

// The same where a bin is a byte: each with the one some rows below it (byte_counts.hpp). Returns how many values are
// counted; the rest is no pair of rows.
index_t count_pairs(const float* values, index_t n, index_t row, const ByteBinner& bins, std::vector<index_t>& counts) {
  constexpr index_t block = 2048;
  std::uint8_t upper[block], lower[block];
  if (row % ByteBinner::run != 0 && 2 * row % ByteBinner::run == 0) row *= 2;
  PairCounts pairs;
  index_t done = 0;
  for (; n - done >= 2 * row; done += 2 * row)
    for (index_t x = 0; x < row; x += block) {
      const index_t length = std::min(block, row - x);
      bins(values + done + x, length, upper);
      bins(values + done + row + x, length, lower);
      pairs.add(upper, lower, length);
    }
  index_t of_byte[256] = {};
  pairs.take(of_byte);
  for (std::size_t k = 0; k + 1 < counts.size(); ++k) counts[k] += of_byte[k];
  return done;
}

template <class T>
std::vector<index_t> count_by_edges(ImageView<const T> image, const EdgesOf<T>& edges, Outside outside) {
  std::vector<index_t> counts(edges.size(), 0);  // one more than the bins: the last place takes what is dropped
  const index_t n = image.size();
  index_t done = 0;
  if constexpr (std::is_same_v<T, float>) {
    const index_t row = image.width * image.channels;
    if (outside == Outside::clamp && n >= worth_pairing && row >= ByteBinner::run) {
      const ByteBinner bins(edges);
      if (bins.usable()) done = count_pairs(image.data, n, row, bins, counts);
    }
  }
  if (done < n) count_each(image.data + done, n - done, edges, outside, counts);
  counts.pop_back();
  return counts;
}

// A constant image where np.histogram has no edges for it.
std::vector<index_t> in_the_middle(index_t n, int bins) {
  std::vector<index_t> counts(static_cast<std::size_t>(bins), 0);
  counts[static_cast<std::size_t>(bins / 2)] = n;
  return counts;
}

// Bytes are counted by value; the extremes and the bins follow from the 256 counts.
std::vector<index_t> histogram_of_bytes(ImageView<const std::uint8_t> image, int bins, BinRange range) {
  index_t of_value[256] = {};
  count_bytes(image.data, image.size(), image.width * image.channels, of_value);
  int first = 0, last = 255;
  while (of_value[first] == 0) ++first;
  while (of_value[last] == 0) --last;
  const Extent<std::uint8_t> values_in{static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last), true};
  const auto edges = edges_of(values_in, bins, range);
  if (edges.empty()) return {};
  const auto bin = integer_bins(edges, first, last, Outside::drop);
  std::vector<index_t> counts(edges.size(), 0);
  for (int v = first; v <= last; ++v)
    counts[static_cast<std::size_t>(bin[static_cast<std::size_t>(v - first)])] += of_value[v];
  counts.pop_back();
  return counts;
}

}  // namespace

template <class T>
std::vector<index_t> histogram(ImageView<const T> image, int bins, BinRange range) {
  const index_t n = image.size();
  if (n == 0 || bins < 1) return {};
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return histogram_of_bytes(image, bins, range);
  } else {
    const auto values = extent(image.data, n);
    if (!values.finite) return {};
    const auto edges = edges_of(values, bins, range);
    // With edges from the values themselves none of them lies outside, and nobody has to look.
    if (!edges.empty()) return count_by_edges(image, edges, range.from_image ? Outside::clamp : Outside::drop);
    const bool constant = range.from_image && values.smallest == values.largest;
    return constant ? in_the_middle(n, bins) : std::vector<index_t>();
  }
}

template <class T>
double histogram_entropy(ImageView<const T> image, int bins, BinRange range) {
  return entropy_of_counts(histogram(image, bins, range));
}

#define XAIJAX_INSTANTIATE(T)                                                 \
  template std::vector<index_t> histogram(ImageView<const T>, int, BinRange); \
  template double histogram_entropy(ImageView<const T>, int, BinRange);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
