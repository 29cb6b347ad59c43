// Leading (batch) axes that broadcast: which item of an operand belongs to item i of the result.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax::bindings {

// Item numbers of an operand with leading axes `from`, in the order of the items of `to`; aligned at the right, axes
// of length 1 are repeated, as in NumPy.
inline std::vector<index_t> operand_items(const std::vector<index_t>& from, const std::vector<index_t>& to) {
  if (from.size() > to.size()) throw std::invalid_argument("leading axes do not broadcast");
  std::vector<index_t> stride(to.size(), 0);
  index_t items = 1;
  for (std::size_t back = 1; back <= from.size(); ++back) {
    const index_t length = from[from.size() - back];
    if (length != 1 && length != to[to.size() - back]) throw std::invalid_argument("leading axes do not broadcast");
    stride[to.size() - back] = length == 1 ? 0 : items;
    items *= length;
  }
  const index_t count = std::accumulate(to.begin(), to.end(), index_t{1}, std::multiplies<>());
  std::vector<index_t> item(static_cast<std::size_t>(count));
  for (index_t i = 0; i < count; ++i) {
    index_t rest = i, at = 0;
    for (std::size_t axis = to.size(); axis-- > 0;) {
      at += rest % to[axis] * stride[axis];
      rest /= to[axis];
    }
    item[static_cast<std::size_t>(i)] = at;
  }
  return item;
}

// Results that share an operand item, at most `limit` together: what is prepared for the item is prepared once.
struct Group {
  index_t item;
  std::vector<index_t> results;
};

inline std::vector<Group> group_by_item(const std::vector<index_t>& item, index_t limit) {
  std::vector<index_t> order(item.size());
  std::iota(order.begin(), order.end(), index_t{0});
  const auto item_of = [&](index_t i) { return item[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) { return item_of(a) < item_of(b); });
  std::vector<Group> groups;
  for (const index_t i : order) {
    const bool opens = groups.empty() || groups.back().item != item_of(i) ||
                       static_cast<index_t>(groups.back().results.size()) >= limit;
    if (opens) groups.push_back({item_of(i), {}});
    groups.back().results.push_back(i);
  }
  return groups;
}

// Few enough results in a group that every thread gets several groups.
inline index_t group_limit(index_t results, index_t threads) {
  return std::clamp<index_t>(results / (4 * std::max<index_t>(threads, 1)), 1, 16);
}

}  // namespace xaijax::bindings
