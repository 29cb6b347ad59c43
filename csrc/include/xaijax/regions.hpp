// XRAI's ranking of regions: grow a set of masks by the mean attribution of the pixels each would add.
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

struct RegionOptions {
  bool fast = false;        // one sort by the mean over the whole mask, in place of greedy growth
  index_t min_pixels = 50;  // masks that would add fewer are dropped; at least 1
  double area = 1.0;        // greedy growth ends when more than this share of the pixels is covered
};

// A set of masks as lists of pixels, to be ranked by any number of attribution maps of the same size.
class Regions {
 public:
  // masks: `count` maps of height x width, nonzero is inside; each is dilated by a disk of `dilate` pixels first.
  Regions(const std::uint8_t* masks, index_t count, index_t height, index_t width, index_t dilate);

  index_t count() const { return static_cast<index_t>(starts_.size()) - 1; }
  index_t pixels() const { return pixels_; }

  // map: the mean attribution of the pixels a mask added, of those no mask covers for the rest. ranks: 1 for the region
  // of the largest mean, and so on; the uncovered pixels are the last. attribution must be finite. T: float, double,
  // in which the means are taken, summed pairwise as NumPy does.
  template <class T>
  void rank(const T* attribution, const RegionOptions& options, double* map, std::int32_t* ranks) const;

 private:
  index_t pixels_;
  std::vector<index_t> starts_;         // mask m holds members_[starts_[m] .. starts_[m + 1])
  std::vector<std::uint32_t> members_;  // in raster order
  std::vector<index_t> owner_starts_;   // pixel p lies in the masks owners_[owner_starts_[p] .. owner_starts_[p + 1])
  std::vector<std::uint32_t> owners_;
};

}  // namespace xaijax
