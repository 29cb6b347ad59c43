#include "histogram/byte_counts.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"

namespace {

using xaijax::index_t;
using Bytes = std::vector<std::uint8_t>;

bool right(const Bytes& bytes, index_t row) {
  std::vector<index_t> expected(256, 3), found(256, 3);  // counts are added
  for (const std::uint8_t value : bytes) ++expected[value];
  xaijax::count_bytes(bytes.data(), static_cast<index_t>(bytes.size()), row, found.data());
  return found == expected;
}

// Sizes below and above where pairs begin and where the table is full, rows of any length and none.
void any_size_and_row() {
  std::mt19937 random(1);
  for (const std::size_t n : {0u, 1u, 7u, 8u, 9u, 10001u, 32767u, 32768u, 131071u, 131073u, 400003u})
    for (const unsigned kind : {0u, 1u, 2u}) {
      Bytes bytes(n);
      // Anything; few values, equal ones next to each other; a background with a value here and there.
      std::uint8_t held = 0;
      for (auto& value : bytes) {
        if (kind == 0) held = static_cast<std::uint8_t>(random());
        if (kind == 1 && random() % 20 == 0) held = static_cast<std::uint8_t>(250 + random() % 6);
        value = kind == 2 ? static_cast<std::uint8_t>(random() % 500 == 0 ? random() : 0) : held;
      }
      for (const index_t row : {0, 1, 3, 64, 67, 672, 5000, 70000, 1000000}) CHECK(right(bytes, row));
    }
}

// One value alone: every pair in one counter, more of them than 16 bits hold.
void constant() {
  for (const int value : {0, 1, 255}) {
    CHECK(right(Bytes(1000000, static_cast<std::uint8_t>(value)), 672));
    Bytes two(1000000, static_cast<std::uint8_t>(value));
    for (std::size_t i = 0; i < two.size(); i += 2) two[i] = 17;  // no run of equal bytes
    CHECK(right(two, 672));
  }
}

void bit_by_bit() {
  std::mt19937 random(2);
  std::vector<index_t> expected(256, 0), found(256, 0);
  xaijax::PairCounts pairs;
  for (int turn = 0; turn < 3; ++turn) {
    for (const index_t n : {0, 1, 13, 1000, 65535, 65536, 200000}) {
      Bytes a(static_cast<std::size_t>(n)), b(a.size());
      for (auto* part : {&a, &b})
        for (auto& value : *part) ++expected[value = static_cast<std::uint8_t>(random())];
      pairs.add(a.data(), b.data(), n);
    }
    pairs.take(found.data());
    CHECK(found == expected);
  }
  pairs.take(found.data());
  CHECK(found == expected);
}

// What one leaves behind, taken or not, the next one does not see.
void one_after_the_other() {
  const Bytes bytes(1000, 5);
  for (int turn = 0; turn < 2; ++turn) {
    xaijax::PairCounts pairs;
    pairs.add(bytes.data(), bytes.data() + 500, 499);
    if (turn == 0) continue;
    std::vector<index_t> found(256, 0);
    pairs.take(found.data());
    CHECK(found[5] == 998 && std::count(found.begin(), found.end(), 0) == 255);
  }
}

}  // namespace

int main() {
  any_size_and_row();
  constant();
  bit_by_bit();
  one_after_the_other();
  return check::report();
}
