// n log2 n, from a table where it is asked for most: counts of an image's bins.
#pragma once

#include <cmath>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

class NLog2N {
 public:
  NLog2N() : table_(table()) {}

  // n >= 0; 0 for none.
  double operator()(index_t n) const {
    return n < size ? table_[n] : static_cast<double>(n) * std::log2(static_cast<double>(n));
  }

 private:
  static constexpr index_t size = index_t(1) << 12;

  static const double* table() {
    static const std::vector<double> values = [] {
      std::vector<double> of(static_cast<std::size_t>(size), 0.0);
      for (std::size_t n = 1; n < of.size(); ++n) of[n] = static_cast<double>(n) * std::log2(static_cast<double>(n));
      return of;
    }();
    return values.data();
  }

  const double* table_;
};

}  // namespace xaijax
