#include "xaijax/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/exact_sum.hpp"
#include "common/ordered.hpp"
#include "selection/select.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Twice the mean rank of each pixel, less size + 1: integers that sum to zero.
template <class T>
std::unique_ptr<std::int32_t[]> centred_ranks(const T* map, index_t size) {
  struct Entry {
    ordered_key_t<T> key;
    std::uint32_t pixel;
  };
  const auto key_of = [](const Entry& entry) { return entry.key; };
  const auto entries = scratch<Entry>(size), other = scratch<Entry>(size);
  for (index_t i = 0; i < size; ++i) entries[i] = {ordered_key(map[i]), static_cast<std::uint32_t>(i)};
  sort_by_key(entries.get(), other.get(), size, key_of);
  auto ranks = scratch<std::int32_t>(size);
  for (index_t start = 0; start < size;) {
    index_t end = start + 1;
    while (end < size && entries[end].key == entries[start].key) ++end;
    const auto rank = static_cast<std::int32_t>(start + end - size);  // (start + 1) + end - (size + 1)
    for (index_t i = start; i < end; ++i) ranks[entries[i].pixel] = rank;
    start = end;
  }
  return ranks;
}

// Sums of products of ranks are integers: exact in 64 bits for maps of up to 2^20 pixels (|rank| < size, so the sum is
// below size^3), in double above.
template <class Sum>
double rank_correlation(const std::int32_t* a, const std::int32_t* b, index_t size) {
  Sum aa = 0, bb = 0, ab = 0;
  for (index_t i = 0; i < size; ++i) {
    const auto x = static_cast<Sum>(a[i]), y = static_cast<Sum>(b[i]);
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  if (aa == 0 || bb == 0) return kNaN;
  return static_cast<double>(ab) / std::sqrt(static_cast<double>(aa) * static_cast<double>(bb));
}

template <class T>
double spearman(const T* a, const T* b, index_t size) {
  const auto ranks_a = centred_ranks(a, size), ranks_b = centred_ranks(b, size);
  const double rho = size <= (index_t(1) << 20) ? rank_correlation<std::int64_t>(ranks_a.get(), ranks_b.get(), size)
                                                : rank_correlation<double>(ranks_a.get(), ranks_b.get(), size);
  return std::isnan(rho) ? rho : std::min(1.0, std::max(-1.0, rho));
}

// A sum of terms in [-1, 1] that does not depend on their order.
template <class Term>
double signed_sum(index_t size, const Term& term) {
  ExactSum sum;
  for (index_t start = 0; start < size; start += ExactSum::block) {
    std::uint64_t block = 0;
    for (index_t i = start; i < std::min(size, start + ExactSum::block); ++i) block += fixed_point(0.5 * term(i) + 0.5);
    sum.add(block);
  }
  return 2.0 * sum.value() - static_cast<double>(size);
}

// (map - mean) / (max - min), or nothing for a constant map.
template <class T>
std::unique_ptr<double[]> centred(const T* map, index_t size) {
  const auto [least, most] = std::minmax_element(map, map + size);
  if (*least == *most) return nullptr;
  // Halves keep the range finite for maps that use all of double; they would lose the smallest values of others.
  const double half = std::isfinite(static_cast<double>(*most) - static_cast<double>(*least)) ? 1.0 : 0.5;
  const double low = half * static_cast<double>(*least), range = half * static_cast<double>(*most) - low;
  auto values = scratch<double>(size);
  for (index_t i = 0; i < size; ++i) values[i] = (half * static_cast<double>(map[i]) - low) / range;
  const double mean = signed_sum(size, [&](index_t i) { return values[i]; }) / static_cast<double>(size);
  for (index_t i = 0; i < size; ++i) values[i] -= mean;
  return values;
}

template <class T>
double pearson(const T* a, const T* b, index_t size) {
  const auto x = centred(a, size), y = centred(b, size);
  if (!x || !y) return kNaN;
  const double xx = signed_sum(size, [&](index_t i) { return x[i] * x[i]; });
  const double yy = signed_sum(size, [&](index_t i) { return y[i] * y[i]; });
  const double xy = signed_sum(size, [&](index_t i) { return x[i] * y[i]; });
  return std::min(1.0, std::max(-1.0, xy / std::sqrt(xx * yy)));
}

template <class T>
double topk_iou(const T* a, const T* b, index_t size, double percent) {
  using Key = ordered_key_t<T>;
  const auto keys_a = scratch<Key>(size), keys_b = scratch<Key>(size), kept = scratch<Key>(size);
  for (index_t i = 0; i < size; ++i) {
    keys_a[i] = ordered_key(a[i]);
    keys_b[i] = ordered_key(b[i]);
  }
  const index_t k = top_count(size, percent);
  const Key cut_a = kth_largest(keys_a.get(), size, k, kept.get()).key;
  const Key cut_b = kth_largest(keys_b.get(), size, k, kept.get()).key;
  index_t both = 0, either = 0;
  for (index_t i = 0; i < size; ++i) {
    const bool in_a = keys_a[i] >= cut_a, in_b = keys_b[i] >= cut_b;
    both += in_a & in_b;
    either += in_a | in_b;
  }
  return static_cast<double>(both) / static_cast<double>(either);
}

}  // namespace

template <class T>
void similarity(MapView<const T> a, const T* b, const SimilarityOptions& options, double* measures) {
  const index_t size = a.size();
  const bool finite = all_finite(a.data, size) && all_finite(b, size);
  int written = 0;
  for (int m = 0; m < kSimilarities; ++m) {
    const auto measure = static_cast<Similarity>(m);
    if (!options.wants(measure)) continue;
    double value = kNaN;
    if (finite && measure == Similarity::spearman) value = spearman(a.data, b, size);
    if (finite && measure == Similarity::pearson) value = pearson(a.data, b, size);
    if (finite && measure == Similarity::topk_iou) value = topk_iou(a.data, b, size, options.percent);
    measures[written++] = value;
  }
}

template void similarity(MapView<const float>, const float*, const SimilarityOptions&, double*);
template void similarity(MapView<const double>, const double*, const SimilarityOptions&, double*);

}  // namespace xaijax
