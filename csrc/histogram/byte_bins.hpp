// Bins of float values as bytes: what histogram.hpp's Binner finds, for at most 256 bins, from half the operations.
#pragma once

#include <cstdint>
#include <vector>

#include "histogram/histogram.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

class ByteBinner {
 public:
  static constexpr index_t run = 64;

  explicit ByteBinner(const std::vector<float>& edges);

  // Whether there is an estimate to start from; if not, the rest is not to be called.
  bool usable() const { return usable_; }

  // The bins of values[0..n), which lie between the edges. Within every whole run of 64 values they are shuffled,
  // always in the same way: counts do not mind, nor pairs of runs.
  void operator()(const float* values, index_t n, std::uint8_t* out) const;

 private:
  void exactly(const float* values, std::uint8_t* out) const;

  Binner<float> exact_;
  int bins_;
  float low_ = 0, scale_ = 0;
  std::int32_t near_ = 0;  // estimates that are less above a whole bin are not clear
  bool usable_ = false;
};

}  // namespace xaijax
