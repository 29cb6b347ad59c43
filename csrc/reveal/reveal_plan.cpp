#include "reveal/reveal_plan.hpp"

#include <algorithm>

#include "reveal/delaunay.hpp"

namespace xaijax {

namespace {

using Step = std::uint16_t;

// The loops over a row are without branches: compilers make vectors of them.
void steps(const Levels& levels, const Step* from, index_t width, Step* to) {
  const auto count = static_cast<Step>(levels.count);
  if (!levels.deletion)
    for (index_t x = 0; x < width; ++x) to[x] = std::min(from[x], count);
  else
    for (index_t x = 0; x < width; ++x)
      to[x] = from[x] == 0 ? Step{0} : static_cast<Step>(count - std::min(from[x], count));
}

// The largest of the four side neighbours.
Step around(const Step* here, index_t wide) {
  return std::max(std::max(here[-1], here[1]), std::max(here[-wide], here[wide]));
}

// open: the step from which the pixel is known or lone. lone: the step from which it is lone, or `never`.
void close(const Step* known, index_t wide, index_t width, Step never, Step* open, Step* lone) {
  for (index_t x = 0; x < width; ++x) {
    const Step alone = around(known + x, wide), here = known[x];
    open[x] = std::min(alone, here);
    lone[x] = alone < here ? alone : never;
  }
}

// The step at which the pixel becomes known with a side neighbour that is open then, or `never`.
void choose(const Step* known, const Step* open, index_t wide, index_t width, Step never, Step* inserted) {
  for (index_t x = 0; x < width; ++x) inserted[x] = around(open + x, wide) > known[x] ? known[x] : never;
}

}  // namespace

void RevealPlan::Buckets::take(const std::uint64_t* from, const std::uint64_t* to, std::size_t buckets) {
  ends_.assign(buckets, 0);
  for (const std::uint64_t* i = from; i < to; ++i) ++ends_[*i >> 32];
  std::uint32_t total = 0;
  for (auto& end : ends_) {
    const std::uint32_t here = end;
    end = total;
    total += here;
  }
  values_.resize(total);
  for (const std::uint64_t* i = from; i < to; ++i) values_[ends_[*i >> 32]++] = static_cast<std::uint32_t>(*i);
}

void RevealPlan::prepare(const Levels& levels) {
  const index_t height = levels.height, width = levels.width, wide = width + 2;
  const auto never = static_cast<Step>(levels.count);
  wide_ = wide;
  known_from_.assign(static_cast<std::size_t>(wide * (height + 2)), 0);
  open_until_.assign(known_from_.size(), 0);
  row_.resize(static_cast<std::size_t>(width));
  const auto room = static_cast<std::size_t>(height * width + 1), count = static_cast<std::size_t>(levels.count);
  Step* const known = known_from_.data() + wide + 1;
  Step* const open = open_until_.data() + wide + 1;
  Step* const row = row_.data();
  for (index_t y = 0; y < height; ++y) steps(levels, levels.data + y * width, width, known + y * wide);
  for (const index_t y : {index_t{0}, height - 1})
    for (const index_t x : {index_t{0}, width - 1}) known[y * wide + x] = 0;
  waiting_.resize(room);
  std::uint64_t* const from = waiting_.data();
  // Without a branch: which pixels become anything is anyone's guess.
  const auto add = [](std::uint64_t*& to, index_t bucket, std::uint32_t value, bool really) {
    *to = static_cast<std::uint64_t>(bucket) << 32 | value;
    to += really;
  };
  std::uint64_t* to = from;
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x) {
      const Step step = known[y * wide + x];
      add(to, step, static_cast<std::uint32_t>(y * width + x), step != never);
    }
  revealed_.take(from, to, count);
  to = from;
  for (index_t y = 0; y < height; ++y) {
    close(known + y * wide, wide, width, never, open + y * wide, row);
    for (index_t x = 0; x < width; ++x) add(to, row[x], static_cast<std::uint32_t>(y * width + x), row[x] != never);
  }
  lone_.take(from, to, count);
  to = from;
  // By the zeros at the end of x | y, at most four: the coarsest grid first.
  static constexpr std::uint8_t grid[16] = {0, 4, 3, 4, 2, 4, 3, 4, 1, 4, 3, 4, 2, 4, 3, 4};
  static_assert(grids == 5);
  for (index_t y = 0; y < height; ++y) {
    choose(known + y * wide, open + y * wide, wide, width, never, row);
    if (y == 0 || y == height - 1) row[0] = row[width - 1] = never;
    for (index_t x = 0; x < width; ++x)
      add(to, row[x] * grids + grid[(x | y) & 15], Delaunay::pack(x, y), row[x] != never);
  }
  inserted_.take(from, to, count * grids);
}

}  // namespace xaijax
