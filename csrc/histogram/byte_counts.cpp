#include "histogram/byte_counts.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "common/targets.hpp"

namespace xaijax {

namespace {

constexpr std::size_t values = 256, pairs = values * values;
constexpr index_t most_pairs = std::numeric_limits<std::uint16_t>::max();

inline std::uint64_t word_at(const std::uint8_t* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

inline bool all_equal(std::uint64_t word) { return word == (word << 8 | word >> 56); }

inline void prefetch([[maybe_unused]] const void* place) {
#if defined(__GNUC__)
  __builtin_prefetch(place);
#endif
}

// The sums, modulo 2^16.
XAIJAX_SIMD void sum_table(const std::uint16_t* table, std::uint16_t* rows, std::uint16_t* columns) {
  constexpr std::size_t lanes = 8, at_once = 8;
  using Lanes = std::uint16_t __attribute__((vector_size(lanes * sizeof(std::uint16_t))));
  Lanes column[values / lanes] = {};
  for (std::size_t first = 0; first < values; first += at_once) {
    Lanes row[at_once] = {};
    for (std::size_t c = 0; c < values / lanes; ++c) {
      Lanes sum = column[c];
      for (std::size_t r = 0; r < at_once; ++r) {
        Lanes here;
        std::memcpy(&here, table + (first + r) * values + c * lanes, sizeof here);
        row[r] += here;
        sum += here;
      }
      column[c] = sum;
    }
    for (std::size_t r = 0; r < at_once; ++r) {
      constexpr std::uint64_t every_other = 0x0000ffff0000ffff;
      std::uint64_t fours[2], of_row = 0;
      std::memcpy(fours, &row[r], sizeof fours);
      for (const std::uint64_t four : fours) of_row += (four & every_other) + (four >> 16 & every_other);
      of_row += of_row >> 32;
      rows[first + r] = static_cast<std::uint16_t>(of_row);
    }
  }
  std::memcpy(columns, column, sizeof column);
}

// Eight tables: equal neighbours would otherwise wait for each other's store. Their distance is no power of two, or
// equal values would share the low address bits and wait all the same.
void count_singly(const std::uint8_t* bytes, index_t n, index_t* counts) {
  constexpr std::size_t tables = 8, stride = values + 16;
  constexpr index_t chunk = index_t(1) << 31, step = tables;
  for (index_t start = 0; start < n; start += chunk) {
    const index_t stop = std::min(n, start + chunk);
    std::uint32_t partial[tables][stride] = {};
    index_t i = start;
    for (; i + step <= stop; i += step) {
      const std::uint64_t word = word_at(bytes + i);
      if (all_equal(word)) {  // the background of a scan
        partial[0][word & 255] += tables;
        continue;
      }
      ++partial[0][word & 255];
      ++partial[1][(word >> 8) & 255];
      ++partial[2][(word >> 16) & 255];
      ++partial[3][(word >> 24) & 255];
      ++partial[4][(word >> 32) & 255];
      ++partial[5][(word >> 40) & 255];
      ++partial[6][(word >> 48) & 255];
      ++partial[7][word >> 56];
    }
    for (; i < stop; ++i) ++partial[0][bytes[i]];
    for (const auto& table : partial)
      for (std::size_t v = 0; v < values; ++v) counts[v] += table[v];
  }
}

}  // namespace

void count_bytes(const std::uint8_t* bytes, index_t n, index_t row, index_t* counts) {
  constexpr index_t shortest = 64, segment = 1024;
  if (row > 0 && row < shortest) row *= (shortest + row - 1) / row;
  index_t done = 0;
  if (n >= worth_pairing && row > 0 && row <= n / 2) {
    PairCounts both;
    for (; n - done >= 2 * row; done += 2 * row)
      for (index_t x = 0; x < row; x += segment) {
        const std::uint8_t* const upper = bytes + done + x;
        const index_t length = std::min(segment, row - x);
        // Increments leave the processor no time to look ahead itself.
        for (index_t i = 0; i < length && n - done >= 4 * row; i += 64) {
          prefetch(upper + 2 * row + i);
          prefetch(upper + 3 * row + i);
        }
        both.add(upper, upper + row, length);
      }
    both.take(counts);
  }
  count_singly(bytes + done, n - done, counts);
}

// Counters are never cleared and wrap around, and so do the sums of rows and columns: how much a sum has grown is exact
// while no more than most_pairs have been added since.
struct PairCounts::Table {
  std::uint16_t counters[pairs] = {};
  std::uint16_t rows[values] = {}, columns[values] = {};  // as of the last sum
};

PairCounts::PairCounts() {
  thread_local const auto table = std::make_unique<Table>();
  table_ = table.get();
}

void PairCounts::add(const std::uint8_t* a, const std::uint8_t* b, index_t n) {
  constexpr index_t block = most_pairs / 2;
  for (index_t start = 0; start < n; start += block) add_block(a + start, b + start, std::min(block, n - start));
}

void PairCounts::add_block(const std::uint8_t* a, const std::uint8_t* b, index_t n) {
  constexpr index_t step = 8;
  constexpr std::uint64_t even = 0x00ff00ff00ff00ff;
  if (in_table_ + n > most_pairs) sum();
  std::uint16_t* const table = table_->counters;
  index_t i = 0, elsewhere = 0;
  const auto count = [&](std::uint64_t x, std::uint64_t y) {
    if (x == y && all_equal(x)) {  // the background of a scan
      counts_[x & 255] += 2 * step;
      elsewhere += step;
      return;
    }
    const std::uint64_t p = (x & even) | (y & even) << 8, q = (x >> 8 & even) | (y & ~even);
    ++table[p & 0xffff];
    ++table[q & 0xffff];
    ++table[p >> 16 & 0xffff];
    ++table[q >> 16 & 0xffff];
    ++table[p >> 32 & 0xffff];
    ++table[q >> 32 & 0xffff];
    ++table[p >> 48];
    ++table[q >> 48];
  };
  if (n >= step) {
    // Loads come a turn early: behind eight increments they would wait.
    std::uint64_t x = word_at(a), y = word_at(b);
    for (; i + 2 * step <= n; i += step) {
      const std::uint64_t next_x = word_at(a + i + step), next_y = word_at(b + i + step);
      count(x, y);
      x = next_x;
      y = next_y;
    }
    count(x, y);
    i += step;
  }
  for (; i < n; ++i) ++table[a[i] | b[i] << 8];
  in_table_ += n - elsewhere;
}

void PairCounts::sum() {
  if (in_table_ == 0) return;
  std::uint16_t rows[values], columns[values];
  sum_table(table_->counters, rows, columns);
  for (std::size_t v = 0; v < values; ++v) {
    counts_[v] += static_cast<std::uint16_t>(rows[v] - table_->rows[v]);
    counts_[v] += static_cast<std::uint16_t>(columns[v] - table_->columns[v]);
  }
  std::memcpy(table_->rows, rows, sizeof rows);
  std::memcpy(table_->columns, columns, sizeof columns);
  in_table_ = 0;
}

void PairCounts::take(index_t* counts) {
  sum();
  for (std::size_t v = 0; v < values; ++v) {
    counts[v] += counts_[v];
    counts_[v] = 0;
  }
}

}  // namespace xaijax
