#include "xaijax/similarity.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"

namespace {

struct Measures {
  double spearman, pearson, topk_iou;
};

template <class T>
Measures compare(const std::vector<T>& a, const std::vector<T>& b, double percent = 10.0) {
  double out[3];
  xaijax::SimilarityOptions options;
  options.percent = percent;
  xaijax::similarity<T>({a.data(), 1, static_cast<xaijax::index_t>(a.size())}, b.data(), options, out);
  return {out[0], out[1], out[2]};
}

}  // namespace

template <class T>
void by_hand() {
  // Ranks 1 2.5 2.5 4 and 1 2 3 4: rho = 4.5 / sqrt(4.5 * 5).
  const std::vector<T> a{0, 1, 1, 5}, b{-3, -2, 10, 11};
  const Measures m = compare(a, b, 50.0);
  CHECK(std::abs(m.spearman - 4.5 / std::sqrt(22.5)) < 1e-15);
  CHECK(std::abs(m.topk_iou - 2.0 / 3.0) < 1e-15);  // {1, 1, 5} and {10, 11}
  // Deviations -1.75 -.75 -.75 3.25 and -7 -6 6 7.
  CHECK(std::abs(m.pearson - (12.25 + 4.5 - 4.5 + 22.75) / std::sqrt(14.75 * 170.0)) < 1e-14);
  const std::vector<T> flat(4, T(2));
  CHECK(std::isnan(compare(a, flat).spearman) && std::isnan(compare(flat, b).pearson));
  const std::vector<T> broken{0, 1, static_cast<T>(NAN), 2};
  CHECK(std::isnan(compare(a, broken).spearman) && std::isnan(compare(broken, b).topk_iou));
}

int main() {
  by_hand<float>();
  by_hand<double>();
  // Maps at both ends of double: a range that overflows, and one of a few of the smallest numbers.
  const double most = 1.7e308, least = 4.9406564584124654e-324;
  CHECK(std::abs(compare<double>({-most, most, 0, 0}, {-1, 1, 0, 0}).pearson - 1.0) < 1e-14);
  CHECK(std::abs(compare<double>({0, least, 2 * least, least}, {0, 1, 0, 1}).pearson) < 1e-14);

  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> a(5000), falling, b(5000);
  for (auto& v : a) v = normal(random);
  for (auto& v : b) v = normal(random);
  for (const double v : a) falling.push_back(-3.0 * v + 1.0);
  CHECK(compare(a, a).spearman == 1.0 && std::abs(compare(a, a).pearson - 1.0) < 1e-15);
  CHECK(compare(a, falling).spearman == -1.0 && std::abs(compare(a, falling).pearson + 1.0) < 1e-12);
  CHECK(std::abs(compare(a, b).pearson) < 0.05 && std::abs(compare(a, b).spearman) < 0.05);
  const std::vector<double> back_a(a.rbegin(), a.rend()), back_b(b.rbegin(), b.rend());
  CHECK(compare(a, b).pearson == compare(back_a, back_b).pearson);
  CHECK(compare(a, b).spearman == compare(back_a, back_b).spearman);
  return check::report();
}
