// Which pixels become known, lone, or points of the triangulation, level by level (linear_fill.hpp says what that is).
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/reveal.hpp"

namespace xaijax {

class RevealPlan {
 public:
  struct List {
    const std::uint32_t* from;
    const std::uint32_t* to;
    const std::uint32_t* begin() const { return from; }
    const std::uint32_t* end() const { return to; }
  };

  // The four corners count as known from the start.
  void prepare(const Levels& levels);

  // Pixels known from this level on.
  List revealed(index_t level) const { return revealed_.of(level, level + 1); }

  // Pixels lone from this level on.
  List lone(index_t level) const { return lone_.of(level, level + 1); }

  // Points to be inserted (Delaunay::pack) at this level, from a coarse grid to a fine one and row by row, so that
  // there are neither long walks nor long thin fans. The corners are not among them.
  List inserted(index_t level) const { return inserted_.of(level * grids, (level + 1) * grids); }

  // Whether a pixel is neither known nor lone.
  bool unknown(index_t x, index_t y, index_t level) const {
    return open_until_[static_cast<std::size_t>((y + 1) * wide_ + x + 1)] > level;
  }

 private:
  static constexpr index_t grids = 5;

  // Values by bucket, as they were added.
  class Buckets {
   public:
    // Takes values, each below its bucket in 64 bits.
    void take(const std::uint64_t* from, const std::uint64_t* to, std::size_t buckets);
    List of(index_t first, index_t end) const { return {values_.data() + start(first), values_.data() + start(end)}; }

   private:
    std::size_t start(index_t bucket) const { return bucket == 0 ? 0 : ends_[static_cast<std::size_t>(bucket - 1)]; }

    std::vector<std::uint32_t> ends_, values_;
  };

  index_t wide_ = 0;
  std::vector<std::uint16_t> known_from_;  // level, with a border of zeros
  std::vector<std::uint16_t> open_until_;  // the level from which the pixel is known or lone, with a border of zeros
  std::vector<std::uint16_t> row_;
  std::vector<std::uint64_t> waiting_;  // for a bucket
  Buckets revealed_, lone_, inserted_;
};

}  // namespace xaijax
