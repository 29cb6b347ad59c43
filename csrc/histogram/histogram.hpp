// Equal bins as np.histogram makes them, and the bin of a value exactly as the edges say.
//
// np.histogram computes the edges in the image's own floating dtype (float64 for integers) and corrects its index
// estimate against them, so that bin k holds edge[k] <= value < edge[k+1] and the last bin both of its edges.
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

// The dtype of the edges: the image's own, float64 for integers.
template <class T>
struct EdgeOf {
  using type = double;
};
template <>
struct EdgeOf<float> {
  using type = float;
};

// The bins + 1 edges of np.linspace(low, high, bins + 1), evaluated in C and stored as E. Empty where np.histogram
// refuses: edges that do not increase strictly (too many bins for the range) or are not finite.
template <class C, class E>
std::vector<E> linear_edges(C low, C high, int bins);

// Bins of float or double values. Values outside the edges get bin number `bins` (outside = drop) or the first or
// last bin (outside = clamp).
enum class Outside { drop, clamp };

template <class T>
class Binner {
 public:
  Binner() = default;
  explicit Binner(std::vector<T> edges);

  int bins() const { return static_cast<int>(edges_.size()) - 1; }

  // values[0..n) -> out[0..n). NaN is dropped, or goes to any bin when clamping: refuse it before.
  void operator()(const T* values, index_t n, Outside outside, std::int32_t* out) const;

 private:
  struct Limits {
    T low, high;
  };

  void correct(const T* values, index_t n, std::int32_t* out) const;  // moves an estimate to the neighbour if need be
  void search(const T* values, index_t n, Outside outside, std::int32_t* out) const;

  std::vector<T> edges_;
  std::vector<Limits> limits_;  // a value below low or at least high belongs to the neighbouring bin
  T scale_ = 0;
  T clear_ = 0;
  bool estimates_ = false;  // whether the arithmetic estimate is less than a quarter of a bin off
};

// The bin of every integer in [first, last] (values outside the edges as above); edges in float64.
std::vector<std::int32_t> integer_bins(const std::vector<double>& edges, int first, int last, Outside outside);

// Smallest and largest value, and whether all are finite.
template <class T>
struct Extent {
  T smallest;
  T largest;
  bool finite;
};
template <class T>
Extent<T> extent(const T* values, index_t n);

// Base-2 entropy of counts: -sum p log2 p, in bits; NaN when all are zero.
double entropy_of_counts(const std::vector<index_t>& counts);

}  // namespace xaijax
