// How often every byte value occurs. One value costs one store, and a store a cycle is the limit; so bytes are counted
// two at a time, in a table of 65536 pairs, whose rows and columns are summed in the end.
#pragma once

#include <cstdint>

#include "xaijax/views.hpp"

namespace xaijax {

// Fewer bytes than these are not worth the sums of the table.
constexpr index_t worth_pairing = index_t(1) << 15;

// counts[v] += how often v occurs, for v in [0, 256). `row` is the distance of two values that are likely to be alike,
// a row of an image: their pairs lie close together in the table. It changes nothing but the time.
void count_bytes(const std::uint8_t* values, index_t n, index_t row, index_t* counts);

// The same for two sequences met bit by bit. A thread uses one of these at a time: the table is the thread's own.
class PairCounts {
 public:
  PairCounts();
  PairCounts(const PairCounts&) = delete;
  PairCounts& operator=(const PairCounts&) = delete;
  ~PairCounts() { sum(); }  // the next one starts from these sums

  // Counts a[0..n) and b[0..n).
  void add(const std::uint8_t* a, const std::uint8_t* b, index_t n);

  // counts[v] += how often v was added since the last call.
  void take(index_t* counts);

 private:
  struct Table;

  void add_block(const std::uint8_t* a, const std::uint8_t* b, index_t n);
  void sum();

  Table* table_;
  index_t in_table_ = 0;  // how many pairs; no sum of counters has grown by more
  index_t counts_[256] = {};
};

}  // namespace xaijax
