#include "xaijax/random_mask.hpp"

#include <algorithm>
#include <vector>

#include "check.hpp"

int main() {
  // Published first outputs of SplitMix64 for this seed.
  xaijax::SplitMix64 generator(1234567);
  for (const std::uint64_t expected : {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                       4593380528125082431u, 16408922859458223821u})
    CHECK(generator.next() == expected);
  CHECK(xaijax::SplitMix64(5).below(1) == 0);

  // Every number below a bound that is no power of two, equally often: five standard deviations around the mean.
  std::vector<int> drawn(5, 0);
  for (int i = 0; i < 50000; ++i) ++drawn[static_cast<std::size_t>(generator.below(5))];
  for (const int count : drawn) CHECK(count > 10000 - 450 && count < 10000 + 450);

  const auto count_true = [](xaijax::index_t n, xaijax::index_t count, std::uint64_t seed) {
    std::vector<char> place(static_cast<std::size_t>(n), 1);
    auto* const mask = reinterpret_cast<bool*>(place.data());
    xaijax::random_mask(n, count, seed, mask);
    return std::count(mask, mask + n, true);
  };
  CHECK(count_true(1, 0, 0) == 0);
  CHECK(count_true(1, 1, 0) == 1);
  CHECK(count_true(1000, 999, 7) == 999);
  CHECK(count_true(1000, 1000, 7) == 1000);
  return check::report();
}
