// Entropy and mutual information: counts by looking every value up among the edges.
#include "fuzz.hpp"
#include "xaijax/entropy.hpp"
#include "histogram/histogram.hpp"
#include "xaijax/mutual_information.hpp"

namespace fuzz {

namespace {

template <class T>
using Edge = typename xaijax::EdgeOf<T>::type;

template <class E, class T>
index_t bin_of(const std::vector<E>& edges, T value) {
  const auto bins = static_cast<index_t>(edges.size()) - 1;
  const auto v = static_cast<E>(value);
  for (index_t k = bins; k-- > 0;)
    if (v >= edges[static_cast<std::size_t>(k)]) return k;
  return 0;
}

template <class T>
std::vector<Edge<T>> edges_of(const std::vector<T>& image, int bins, xaijax::BinRange range) {
  using E = Edge<T>;
  const E low = static_cast<E>(*std::min_element(image.begin(), image.end()));
  const E high = static_cast<E>(*std::max_element(image.begin(), image.end()));
  if (range.from_image)
    return low == high ? xaijax::linear_edges<E, E>(low - E(0.5), high + E(0.5), bins)
                       : xaijax::linear_edges<E, E>(low, high, bins);
  const double widen = range.low == range.high ? 0.5 : 0.0;
  return xaijax::linear_edges<double, E>(range.low - widen, range.high + widen, bins);
}

template <class T>
void entropy_of(Random& random) {
  const Size shape = size(random, random.chance(0.1) ? 20000 : 900);
  const index_t channels = random.between(1, 4), items = random.between(1, 5), each = shape.pixels() * channels;
  std::vector<T> images;
  for (index_t i = 0; i < items; ++i) {
    const auto image = values<T>(random, each, random.chance(0.1));
    images.insert(images.end(), image.begin(), image.end());
  }
  const auto bins = static_cast<int>(random.chance(0.1) ? random.between(1, 5000) : random.between(1, 300));
  xaijax::BinRange range;
  if (random.chance(0.4)) {
    const double a = static_cast<double>(images[static_cast<std::size_t>(random.below(items * each))]);
    const double b = random.chance(0.3) ? a : 100.0 * random.normal();
    if (std::isfinite(a)) range = {false, std::min(a, b), std::max(a, b)};
  }
  const auto view = [&](index_t i) {
    return xaijax::ImageView<const T>{images.data() + i * each, shape.height, shape.width, channels};
  };
  const auto bits = on_threads<double>(random, items, 1, [&](index_t i, double* out) {
    *out = xaijax::histogram_entropy(view(i), bins, range);
  });
  for (index_t i = 0; i < items; ++i) {
    const std::vector<T> image(images.data() + i * each, images.data() + (i + 1) * each);
    const double found = bits[static_cast<std::size_t>(i)];
    const auto counts = xaijax::histogram(view(i), bins, range);
    if (!all_finite(image)) {
      EXPECT(counts.empty() && std::isnan(found));
      continue;
    }
    const auto edges = edges_of(image, bins, range);
    const bool constant =
        *std::min_element(image.begin(), image.end()) == *std::max_element(image.begin(), image.end());
    if (edges.empty()) {
      EXPECT(constant && range.from_image ? found == 0.0 : counts.empty() && std::isnan(found));
      continue;
    }
    std::vector<index_t> expected(static_cast<std::size_t>(bins), 0);
    index_t inside = 0;
    for (const T v : image) {
      if (static_cast<Edge<T>>(v) < edges.front() || static_cast<Edge<T>>(v) > edges.back()) continue;
      ++expected[static_cast<std::size_t>(bin_of(edges, v))];
      ++inside;
    }
    EXPECT(counts == expected);
    if (inside == 0) {
      EXPECT(std::isnan(found));
      continue;
    }
    EXPECT(found >= 0.0 && found <= std::log2(static_cast<double>(std::min<index_t>(bins, inside))) + 1e-9);
    const auto turned = turn(random, shape)(image, channels);
    EXPECT(same_bits(found, xaijax::histogram_entropy<T>({turned.data(), shape.width, shape.height, channels}, bins,
                                                         range)));
  }
}

template <class T>
void information_of(Random& random) {
  const Size shape = size(random, random.chance(0.1) ? 8000 : 400);
  const index_t channels = random.between(1, 3), items = random.between(1, 4), pixels = shape.pixels();
  const index_t each = pixels * channels;
  const auto reference = values<T>(random, each, random.chance(0.1));
  std::vector<T> images;
  for (index_t i = 0; i < items; ++i) {
    auto image = values<T>(random, each, random.chance(0.1));
    const double kept = random.unit();
    for (std::size_t k = 0; k < image.size(); ++k)
      if (random.chance(kept)) image[k] = reference[k];
    images.insert(images.end(), image.begin(), image.end());
  }
  const auto bins = static_cast<int>(random.chance(0.1) ? random.between(1, 400) : random.between(1, 70));
  const xaijax::BinnedReference<T> binned({reference.data(), shape.height, shape.width, channels}, bins);
  const auto view = [&](const std::vector<T>& all, index_t i) {
    return xaijax::ImageView<const T>{all.data() + i * each, shape.height, shape.width, channels};
  };
  const auto bits = on_threads<double>(random, items, 1, [&](index_t i, double* out) {
    *out = binned.mutual_information(view(images, i));
  });
  const double whole = binned.mutual_information(view(reference, 0));
  for (index_t i = 0; i < items; ++i) {
    const double found = bits[static_cast<std::size_t>(i)];
    const std::vector<T> image(images.data() + i * each, images.data() + (i + 1) * each);
    if (!all_finite(image) || !all_finite(reference)) {
      EXPECT(std::isnan(found));
      continue;
    }
    double expected = 0.0;
    for (index_t c = 0; c < channels; ++c) {
      std::vector<T> x, y;
      for (index_t p = 0; p < pixels; ++p) {
        x.push_back(reference[static_cast<std::size_t>(p * channels + c)]);
        y.push_back(image[static_cast<std::size_t>(p * channels + c)]);
      }
      if (*std::min_element(x.begin(), x.end()) == *std::max_element(x.begin(), x.end())) continue;
      const auto edges = edges_of(x, bins, {});
      if (edges.empty()) {
        expected = std::numeric_limits<double>::quiet_NaN();
        break;
      }
      const auto n = static_cast<std::size_t>(bins);
      std::vector<index_t> joint(n * n, 0), row(n, 0), column(n, 0);
      for (std::size_t p = 0; p < x.size(); ++p) {
        const auto a = static_cast<std::size_t>(bin_of(edges, x[p])), b = static_cast<std::size_t>(bin_of(edges, y[p]));
        ++joint[a * n + b];
        ++row[a];
        ++column[b];
      }
      for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = 0; b < n; ++b) {
          const auto k = static_cast<double>(joint[a * n + b]), total = static_cast<double>(pixels);
          if (k > 0.0)
            expected +=
                k / total * std::log2(k * total / (static_cast<double>(row[a]) * static_cast<double>(column[b])));
        }
    }
    EXPECT(near(found, expected / static_cast<double>(channels), 1e-9));
    if (std::isnan(found)) continue;
    EXPECT(found >= 0.0 && found <= whole);
    const Turn turned = turn(random, shape);
    const auto other_reference = turned(reference, channels), other = turned(image, channels);
    const xaijax::BinnedReference<T> again({other_reference.data(), shape.width, shape.height, channels}, bins);
    EXPECT(same_bits(found, again.mutual_information({other.data(), shape.width, shape.height, channels})));
  }
}

}  // namespace

void entropy(Random& random) {
  switch (random.below(4)) {
    case 0: return entropy_of<std::uint8_t>(random);
    case 1: return entropy_of<std::uint16_t>(random);
    case 2: return entropy_of<float>(random);
    default: return entropy_of<double>(random);
  }
}

void mutual_information(Random& random) {
  switch (random.below(4)) {
    case 0: return information_of<std::uint8_t>(random);
    case 1: return information_of<std::uint16_t>(random);
    case 2: return information_of<float>(random);
    default: return information_of<double>(random);
  }
}

}  // namespace fuzz
