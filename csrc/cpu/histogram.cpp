#include "xaijax/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "xaijax/simd.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

template <class C, class E>
std::vector<E> linear_edges(C low, C high, int bins) {
  const C delta = high - low;
  const C step = delta / static_cast<C>(bins);
  std::vector<E> edges(static_cast<std::size_t>(bins) + 1);
  for (int k = 0; k < bins; ++k) {
    const C ramp = static_cast<C>(k);
    // np.linspace: a step that underflows to zero is applied in two stages.
    const C offset = step == C(0) ? ramp / static_cast<C>(bins) * delta : ramp * step;
    edges[static_cast<std::size_t>(k)] = static_cast<E>(offset + low);
  }
  edges.back() = static_cast<E>(high);
  for (std::size_t k = 0; k < edges.size(); ++k)
    if (!std::isfinite(edges[k]) || (k > 0 && !(edges[k - 1] < edges[k]))) return {};
  return edges;
}

template std::vector<float> linear_edges<float, float>(float, float, int);
template std::vector<float> linear_edges<double, float>(double, double, int);
template std::vector<double> linear_edges<double, double>(double, double, int);

namespace {

// The estimate is f(v) = (v - low) * scale. f is monotone in rounded arithmetic too, so with
// margin >= max_k |f(edge[k]) - k| the integer part of f(v) is the bin whenever its fraction is further than the
// margin from 0 and 1: then f(v) > f(edge[k]) and f(v) < f(edge[k+1]). Returns whether any value was not so clear.
template <class T>
XAIJAX_INLINE int estimate_bins(const T* values, index_t n, T low, T high, T scale, T margin, int bins, int outside_bin,
                                std::int32_t* out) {
  int unclear = 0;
  const std::int32_t last = bins - 1;
  for (index_t i = 0; i < n; ++i) {
    const T value = values[i];
    const T floor_clamped = value > low ? value : low;
    const T clamped = floor_clamped < high ? floor_clamped : high;
    const T f = (clamped - low) * scale;
    std::int32_t k = static_cast<std::int32_t>(f);
    k = k < last ? k : last;
    const T fraction = f - static_cast<T>(k);
    unclear |= static_cast<int>(fraction <= margin) & static_cast<int>(k > 0);
    unclear |= static_cast<int>(T(1) - fraction <= margin) & static_cast<int>(k < last);
    // outside_bin < 0: clamp. A comparison with NaN is false, so NaN is outside.
    const bool inside = (value >= low) & (value <= high);
    out[i] = (inside | (outside_bin < 0)) ? k : outside_bin;
  }
  return unclear;
}

XAIJAX_SIMD int estimate(const float* values, index_t n, float low, float high, float scale, float margin, int bins,
                         int outside_bin, std::int32_t* out) {
  return estimate_bins(values, n, low, high, scale, margin, bins, outside_bin, out);
}

XAIJAX_SIMD int estimate(const double* values, index_t n, double low, double high, double scale, double margin,
                         int bins, int outside_bin, std::int32_t* out) {
  return estimate_bins(values, n, low, high, scale, margin, bins, outside_bin, out);
}

// Moves each estimate by at most one bin, to where the edges say.
template <class T>
void correct_bins(const T* values, index_t n, const T* edges, int bins, std::int32_t* out) {
  for (index_t i = 0; i < n; ++i) {
    std::int32_t k = out[i];
    if (k >= bins) continue;
    k -= (values[i] < edges[k]) & (k > 0);
    k += (values[i] >= edges[k + 1]) & (k < bins - 1);
    out[i] = k;
  }
}

}  // namespace

template <class T>
Binner<T>::Binner(std::vector<T> edges) : edges_(std::move(edges)) {
  const T low = edges_.front(), high = edges_.back();
  scale_ = static_cast<T>(bins()) / (high - low);
  T margin = 0;
  estimates_ = std::isfinite(scale_) && std::isfinite(high - low);
  for (std::size_t k = 0; estimates_ && k < edges_.size(); ++k)
    margin = std::max(margin, std::abs((edges_[k] - low) * scale_ - static_cast<T>(k)));
  margin_ = margin;
  estimates_ = estimates_ && margin < T(0.25);
}

template <class T>
void Binner<T>::operator()(const T* values, index_t n, Outside outside, std::int32_t* out) const {
  const T low = edges_.front(), high = edges_.back();
  const int count = bins();
  if (estimates_) {
    const int outside_bin = outside == Outside::clamp ? -1 : count;
    if (estimate(values, n, low, high, scale_, margin_, count, outside_bin, out))
      correct_bins(values, n, edges_.data(), count, out);
    return;
  }
  for (index_t i = 0; i < n; ++i) {
    if (outside == Outside::drop && !(values[i] >= low && values[i] <= high)) {
      out[i] = count;
      continue;
    }
    const auto above = std::upper_bound(edges_.begin(), edges_.end(), values[i]) - edges_.begin();
    out[i] = static_cast<std::int32_t>(std::clamp<index_t>(above - 1, 0, count - 1));
  }
}

template class Binner<float>;
template class Binner<double>;

std::vector<std::int32_t> integer_bins(const std::vector<double>& edges, int first, int last, Outside outside) {
  const int bins = static_cast<int>(edges.size()) - 1;
  std::vector<std::int32_t> table(static_cast<std::size_t>(last - first) + 1);
  int bin = 0;
  for (int value = first; value <= last; ++value) {
    const double v = value;
    while (bin < bins - 1 && v >= edges[static_cast<std::size_t>(bin) + 1]) ++bin;
    const bool inside = v >= edges.front() && v <= edges.back();
    table[static_cast<std::size_t>(value - first)] = inside || outside == Outside::clamp ? bin : bins;
  }
  return table;
}

namespace {

template <class T>
XAIJAX_INLINE void unsigned_extent(const T* values, index_t n, T* smallest, T* largest) {
  T low = values[0], high = values[0];
  for (index_t i = 1; i < n; ++i) {
    low = values[i] < low ? values[i] : low;
    high = values[i] > high ? values[i] : high;
  }
  *smallest = low;
  *largest = high;
}

// Floats are compared as integers in the same order: an integer reduction vectorises without relaxed arithmetic, and
// NaN and infinity are the extremes of that order, so the extremes also tell whether all values are finite.
template <class Int, class T>
XAIJAX_INLINE void ordered_extent(const T* values, index_t n, Int* smallest, Int* largest) {
  constexpr Int mask = std::numeric_limits<Int>::max();
  Int low = mask, high = std::numeric_limits<Int>::min();
  for (index_t i = 0; i < n; ++i) {
    Int bits;
    std::memcpy(&bits, values + i, sizeof bits);
    const Int key = bits ^ ((bits >> (8 * sizeof(Int) - 1)) & mask);
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  *smallest = low;
  *largest = high;
}

XAIJAX_SIMD void key_extent(const std::uint8_t* v, index_t n, std::uint8_t* low, std::uint8_t* high) {
  unsigned_extent(v, n, low, high);
}
XAIJAX_SIMD void key_extent(const std::uint16_t* v, index_t n, std::uint16_t* low, std::uint16_t* high) {
  unsigned_extent(v, n, low, high);
}
XAIJAX_SIMD void key_extent(const float* v, index_t n, std::int32_t* low, std::int32_t* high) {
  ordered_extent(v, n, low, high);
}
XAIJAX_SIMD void key_extent(const double* v, index_t n, std::int64_t* low, std::int64_t* high) {
  ordered_extent(v, n, low, high);
}

template <class T, class Int>
T from_key(Int key) {
  const Int bits = key ^ ((key >> (8 * sizeof(Int) - 1)) & std::numeric_limits<Int>::max());
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T, class Int>
Extent<T> float_extent(const T* values, index_t n) {
  Int low = 0, high = 0;
  key_extent(values, n, &low, &high);
  const T smallest = from_key<T>(low), largest = from_key<T>(high);
  return {smallest, largest, std::isfinite(smallest) && std::isfinite(largest)};
}

}  // namespace

template <>
Extent<std::uint8_t> extent(const std::uint8_t* values, index_t n) {
  std::uint8_t low = 0, high = 0;
  key_extent(values, n, &low, &high);
  return {low, high, true};
}

template <>
Extent<std::uint16_t> extent(const std::uint16_t* values, index_t n) {
  std::uint16_t low = 0, high = 0;
  key_extent(values, n, &low, &high);
  return {low, high, true};
}

template <>
Extent<float> extent(const float* values, index_t n) {
  return float_extent<float, std::int32_t>(values, n);
}

template <>
Extent<double> extent(const double* values, index_t n) {
  return float_extent<double, std::int64_t>(values, n);
}

void count_bytes(const std::uint8_t* values, index_t n, index_t* counts) {
  // Eight tables: equal neighbours would otherwise wait for each other's store.
  constexpr int tables = 8;
  constexpr index_t chunk = index_t(1) << 31;
  for (index_t start = 0; start < n; start += chunk) {
    const index_t stop = std::min(n, start + chunk);
    std::uint32_t partial[tables][256] = {};
    index_t i = start;
    for (; i + tables <= stop; i += tables) {
      std::uint64_t word;
      std::memcpy(&word, values + i, sizeof word);
      ++partial[0][word & 255];
      ++partial[1][(word >> 8) & 255];
      ++partial[2][(word >> 16) & 255];
      ++partial[3][(word >> 24) & 255];
      ++partial[4][(word >> 32) & 255];
      ++partial[5][(word >> 40) & 255];
      ++partial[6][(word >> 48) & 255];
      ++partial[7][word >> 56];
    }
    for (; i < stop; ++i) ++partial[0][values[i]];
    for (int t = 0; t < tables; ++t)
      for (int v = 0; v < 256; ++v) counts[v] += partial[t][v];
  }
}

double entropy_of_counts(const std::vector<index_t>& counts) {
  double total = 0.0;
  for (const index_t n : counts) total += static_cast<double>(n);
  if (total == 0.0) return std::numeric_limits<double>::quiet_NaN();
  double bits = 0.0;
  for (const index_t n : counts) {
    if (n == 0) continue;
    const double p = static_cast<double>(n) / total;
    bits -= p * std::log2(p);
  }
  return bits + 0.0;  // a single full bin gives -0.0 otherwise
}

}  // namespace xaijax
