#include "histogram/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "common/targets.hpp"
#include "histogram/n_log2_n.hpp"

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

template <class T>
XAIJAX_INLINE auto bits_of(T value) {
  std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T, class Int>
XAIJAX_INLINE T float_of(Int bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

constexpr index_t run_length = 64;

// The estimate is the integer part of f(v) = (v - low) * scale. f is monotone in rounded arithmetic too, so with
// margin >= max_k |f(edge[k]) - k| it is the bin whenever the fraction of f(v) is further than the margin from 0 and
// from 1: then f(v) > f(edge[k]) and f(v) < f(edge[k+1]). Clamping f to half a bin inside the ends keeps the bin (the
// margin is below a quarter) and makes the ends themselves, often the most frequent values, clear cases.
// Works on whole runs; `clear` is 0.5 - margin; unclear[r] tells whether run r has a value that is not clear.
template <bool drop, class T>
XAIJAX_INLINE void estimate_bins(const T* values, index_t runs, T low, T high, T scale, T clear, int bins,
                                 std::int32_t* out, std::int32_t* unclear) {
  // Clamped as integers, whose order is that of positive floats: minimum and maximum of floats do not vectorise
  // without relaxed arithmetic.
  const auto first = bits_of(T(0.5)), last = bits_of(static_cast<T>(bins) - T(0.5));
  for (index_t r = 0; r < runs; ++r) {
    std::int32_t found = 0;
    for (index_t i = r * run_length; i < (r + 1) * run_length; ++i) {
      const auto bits = bits_of((values[i] - low) * scale);
      const T f = float_of<T>(std::min(std::max(bits, first), last));
      const std::int32_t k = static_cast<std::int32_t>(f);
      const T from_middle = f - static_cast<T>(k) - T(0.5);
      found |= (from_middle < T(0) ? -from_middle : from_middle) >= clear ? 1 : 0;
      out[i] = drop && !((values[i] >= low) & (values[i] <= high)) ? bins : k;
    }
    unclear[r] = found;
  }
}

XAIJAX_SIMD void estimate(const float* v, index_t runs, float low, float high, float scale, float clear, int bins,
                          bool drop, std::int32_t* out, std::int32_t* unclear) {
  return drop ? estimate_bins<true>(v, runs, low, high, scale, clear, bins, out, unclear)
              : estimate_bins<false>(v, runs, low, high, scale, clear, bins, out, unclear);
}

XAIJAX_SIMD void estimate(const double* v, index_t runs, double low, double high, double scale, double clear, int bins,
                          bool drop, std::int32_t* out, std::int32_t* unclear) {
  return drop ? estimate_bins<true>(v, runs, low, high, scale, clear, bins, out, unclear)
              : estimate_bins<false>(v, runs, low, high, scale, clear, bins, out, unclear);
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
  // A little is taken off for the rounding of the comparison with the middle.
  clear_ = T(0.5) - margin - 4 * std::numeric_limits<T>::epsilon();
  estimates_ = estimates_ && margin < T(0.25);
  // The first bin has no lower limit and the last no upper one; nor has the place of what is dropped.
  constexpr T infinity = std::numeric_limits<T>::infinity();
  limits_.resize(edges_.size(), {-infinity, infinity});
  for (std::size_t k = 1; k + 1 < edges_.size(); ++k) limits_[k].low = limits_[k - 1].high = edges_[k];
}

template <class T>
void Binner<T>::correct(const T* values, index_t n, std::int32_t* out) const {
  for (index_t i = 0; i < n; ++i) {
    const Limits limits = limits_[static_cast<std::size_t>(out[i])];
    out[i] += (values[i] >= limits.high) - (values[i] < limits.low);
  }
}

template <class T>
void Binner<T>::search(const T* values, index_t n, Outside outside, std::int32_t* out) const {
  const int count = bins();
  for (index_t i = 0; i < n; ++i) {
    const bool inside = values[i] >= edges_.front() && values[i] <= edges_.back();
    const auto above = std::upper_bound(edges_.begin(), edges_.end(), values[i]) - edges_.begin();
    out[i] = inside || outside == Outside::clamp
                 ? static_cast<std::int32_t>(std::clamp<index_t>(above - 1, 0, count - 1))
                 : count;
  }
}

template <class T>
void Binner<T>::operator()(const T* values, index_t n, Outside outside, std::int32_t* out) const {
  if (!estimates_) return search(values, n, outside, out);
  constexpr index_t most = 64;
  std::int32_t unclear[most];
  index_t done = 0;
  while (n - done >= run_length) {
    const index_t runs = std::min(most, (n - done) / run_length);
    estimate(values + done, runs, edges_.front(), edges_.back(), scale_, clear_, bins(), outside == Outside::drop,
             out + done, unclear);
    // One value close to an edge costs the correction of its run only.
    for (index_t r = 0; r < runs; ++r)
      if (unclear[r]) correct(values + done + r * run_length, run_length, out + done + r * run_length);
    done += runs * run_length;
  }
  if (done == n) return;
  // The rest as a run of its own, filled up with its last value.
  T last[run_length];
  std::int32_t found[run_length];
  std::copy(values + done, values + n, last);
  std::fill(last + (n - done), last + run_length, values[n - 1]);
  (*this)(last, run_length, outside, found);
  std::copy(found, found + (n - done), out + done);
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

// As log2 N - (1/N) sum n log2 n.
double entropy_of_counts(const std::vector<index_t>& counts) {
  const NLog2N n_log2_n;
  index_t total = 0;
  double sum = 0.0;
  for (const index_t n : counts) {
    total += n;
    sum += n_log2_n(n);
  }
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  if (std::find(counts.begin(), counts.end(), total) != counts.end()) return 0.0;  // not by rounding alone
  const auto all = static_cast<double>(total);
  return std::max(0.0, std::log2(all) - sum / all);
}

}  // namespace xaijax
