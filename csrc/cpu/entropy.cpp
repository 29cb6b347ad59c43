#include "xaijax/entropy.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "xaijax/histogram.hpp"

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

void count_floats_into(const std::int32_t* bin, index_t n, std::uint32_t* counts, std::size_t stride) {
  index_t i = 0;
  for (; i + 4 <= n; i += 4) {
    ++counts[static_cast<std::size_t>(bin[i])];
    ++counts[stride + static_cast<std::size_t>(bin[i + 1])];
    ++counts[2 * stride + static_cast<std::size_t>(bin[i + 2])];
    ++counts[3 * stride + static_cast<std::size_t>(bin[i + 3])];
  }
  for (; i < n; ++i) ++counts[static_cast<std::size_t>(bin[i])];
}

template <class T>
std::vector<index_t> count_floats(const T* values, index_t n, const EdgesOf<T>& edges) {
  constexpr index_t block = 2048;
  constexpr index_t flush = index_t(1) << 31;
  constexpr std::size_t tables = 4;
  const Binner<T> binner(edges);
  const std::size_t stride = edges.size();  // one more than the bins: the last place takes what is dropped
  std::vector<index_t> counts(stride, 0);
  std::vector<std::uint32_t> partial(tables * stride);
  std::int32_t bin[block];
  for (index_t chunk = 0; chunk < n; chunk += flush) {
    std::fill(partial.begin(), partial.end(), 0u);
    const index_t stop = std::min(n, chunk + flush);
    for (index_t start = chunk; start < stop; start += block) {
      const index_t length = std::min(block, stop - start);
      binner(values + start, length, Outside::drop, bin);
      count_floats_into(bin, length, partial.data(), stride);
    }
    for (std::size_t t = 0; t < tables; ++t)
      for (std::size_t k = 0; k < stride; ++k) counts[k] += partial[t * stride + k];
  }
  counts.pop_back();
  return counts;
}

template <class T>
std::vector<index_t> count_integers(const T* values, index_t n, Extent<T> range, const std::vector<double>& edges) {
  const int first = range.smallest, last = range.largest;
  std::vector<index_t> of_value(static_cast<std::size_t>(std::is_same_v<T, std::uint8_t> ? 256 : last + 1), 0);
  if constexpr (std::is_same_v<T, std::uint8_t>)
    count_bytes(values, n, of_value.data());
  else
    for (index_t i = 0; i < n; ++i) ++of_value[values[i]];
  const auto bin = integer_bins(edges, first, last, Outside::drop);
  std::vector<index_t> counts(edges.size(), 0);
  for (int v = first; v <= last; ++v)
    counts[static_cast<std::size_t>(bin[static_cast<std::size_t>(v - first)])] += of_value[static_cast<std::size_t>(v)];
  counts.pop_back();
  return counts;
}

}  // namespace

template <class T>
std::vector<index_t> histogram(ImageView<const T> image, int bins, BinRange range) {
  const index_t n = image.size();
  if (n == 0 || bins < 1) return {};
  const auto values = extent(image.data, n);
  if (!values.finite) return {};
  const auto edges = edges_of(values, bins, range);
  if (edges.empty()) {
    if (!range.from_image || values.smallest != values.largest) return {};
    std::vector<index_t> counts(static_cast<std::size_t>(bins), 0);
    counts[static_cast<std::size_t>(bins / 2)] = n;
    return counts;
  }
  if constexpr (std::is_floating_point_v<T>)
    return count_floats(image.data, n, edges);
  else
    return count_integers(image.data, n, values, edges);
}

template <class T>
double histogram_entropy(ImageView<const T> image, int bins, BinRange range) {
  return entropy_of_counts(histogram(image, bins, range));
}

#define XAIJAX_INSTANTIATE(T)                                                         \
  template std::vector<index_t> histogram(ImageView<const T>, int, BinRange);         \
  template double histogram_entropy(ImageView<const T>, int, BinRange);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax
