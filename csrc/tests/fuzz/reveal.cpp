// Reveal, every fill: brute force over all circles for the linear one on small images, over all known pixels for the
// nearest, the equations for the noisy linear one, and for each the invariants of a reveal.
#include "xaijax/reveal.hpp"

#include <array>

#include "fuzz.hpp"
#include "reveal/fills.hpp"
#include "reveal/noisy_fill.hpp"

namespace fuzz {

namespace {

using xaijax::Fill;
using xaijax::ImageView;
using xaijax::RevealOptions;

// One image with several sets of levels, and what the kernel made of them.
template <class T>
struct Case {
  Size shape;
  index_t channels, count, maps;
  bool deletion;
  std::vector<T> image, background, out;  // out: [maps, count, pixels, channels]
  std::vector<std::uint16_t> levels;      // [maps, pixels]
  RevealOptions options;

  index_t pixels() const { return shape.pixels(); }
  index_t each() const { return pixels() * channels; }
  const T* stack(index_t map, index_t i) const { return out.data() + (map * count + i) * each(); }

  // Whether image i of a map knows a pixel, corners included where they count.
  bool known(index_t map, index_t i, index_t p) const {
    const index_t level = levels[static_cast<std::size_t>(map * pixels() + p)], y = p / shape.width,
                  x = p % shape.width;
    const bool corner = (y == 0 || y == shape.height - 1) && (x == 0 || x == shape.width - 1);
    if (corner && (options.fill == Fill::linear || options.fill == Fill::nearest)) return true;
    return deletion ? level == 0 || level > i : level <= i;
  }
};

template <class T>
xaijax::RevealBatch<T> batch_of(const Case<T>& c, T* out) {
  xaijax::RevealBatch<T> batch;
  batch.images = {c.image.data(), c.shape.height, c.shape.width, c.channels};
  batch.levels = {c.levels.data(), c.shape.height, c.shape.width, c.count, c.deletion};
  const bool one = static_cast<index_t>(c.background.size()) == c.channels;
  batch.backgrounds = {c.background.data(), one ? 1 : c.shape.height, one ? 1 : c.shape.width, c.channels};
  for (index_t m = 0; m < c.maps; ++m) {
    batch.image_of.push_back(0);
    batch.level_of.push_back(m);
    batch.background_of.push_back(0);
  }
  batch.out = out;
  return batch;
}

template <class T>
void run(Case<T>& c, int threads) {
  c.out.resize(static_cast<std::size_t>(c.maps * c.count * c.each()));
  std::memset(static_cast<void*>(c.out.data()), threads, c.out.size() * sizeof(T));  // what is not written differs
  xaijax::reveal_batch(batch_of(c, c.out.data()), c.options, [threads](index_t n, const auto& task) {
    xaijax::parallel_for(n, threads, task);
  });
}

template <class T>
Case<T> make(Random& random, Fill fill, index_t most) {
  Case<T> c;
  c.shape = size(random, most);
  c.channels = random.between(1, 4);
  c.count = random.between(1, 8);
  c.maps = random.between(1, 4);
  c.deletion = random.chance(0.4);
  c.options.fill = fill;
  c.image = values<T>(random, c.each(), random.chance(0.05));
  if (std::is_floating_point_v<T> && random.chance(0.5)) c.image = values<T>(random, c.each());
  c.background.assign(static_cast<std::size_t>(c.channels), T(0));
  const auto top = static_cast<double>(c.count + 2);
  const auto kind = random.below(5);
  const double share = random.unit();
  for (index_t m = 0; m < c.maps; ++m)
    for (index_t p = 0; p < c.pixels(); ++p) {
      double level = top * random.unit();
      if (kind == 1) level = random.chance(share) ? 0 : top;                             // one set
      if (kind == 2)
        level =
            top * std::hypot(p / c.shape.width, p % c.shape.width) / (1.0 + std::hypot(c.shape.height, c.shape.width));
      if (kind == 3)
        level = (p / c.shape.width % 2 + p % c.shape.width % 3) * top / 3;  // a lattice: circles everywhere
      if (kind == 4) level = random.chance(0.02) ? level : random.chance(0.5) ? 65535.0 : top;
      c.levels.push_back(static_cast<std::uint16_t>(level));
    }
  if (c.maps > 1 && random.chance(0.5))  // the maps start from the same pixels
    for (index_t m = 1; m < c.maps; ++m)
      for (index_t p = 0; p < c.pixels(); ++p) {
        auto& level = c.levels[static_cast<std::size_t>(m * c.pixels() + p)];
        if (c.levels[static_cast<std::size_t>(p)] == 0) level = 0;
        else level = std::max<std::uint16_t>(level, 1);
      }
  return c;
}

// What holds for every fill; `exact` asks for flips bit for bit.
template <class T>
void invariants(Random& random, Case<T>& c, bool exact) {
  run(c, 1);
  Case<T> threaded = c;
  run(threaded, static_cast<int>(random.between(2, 4)));
  EXPECT(same_bits(c.out, threaded.out));
  for (index_t m = 0; m < c.maps; ++m)
    for (index_t i = 0; i < c.count; ++i)
      for (index_t p = 0; p < c.pixels(); ++p)
        if (c.known(m, i, p))
          EXPECT(std::memcmp(c.stack(m, i) + p * c.channels, c.image.data() + p * c.channels,
                             static_cast<std::size_t>(c.channels) * sizeof(T)) == 0);
  // One image alone from its set of known pixels.
  if (c.options.fill != Fill::noisy_linear) {  // whose solver starts from the image before
    const index_t m = random.below(c.maps), i = random.below(c.count);
    Case<T> alone = c;
    alone.maps = alone.count = 1;
    alone.deletion = false;
    alone.levels.clear();
    for (index_t p = 0; p < c.pixels(); ++p) alone.levels.push_back(c.known(m, i, p) ? 0 : 1);
    run(alone, 1);
    const bool real = std::is_floating_point_v<T> && c.options.fill == Fill::linear;
    for (index_t k = 0; k < c.each(); ++k) {
      const T a = alone.out[static_cast<std::size_t>(k)], b = c.stack(m, i)[k];
      EXPECT(a == b || (std::isnan(static_cast<double>(a)) && std::isnan(static_cast<double>(b))) || real);
    }
  }
  const Turn turned = turn(random, c.shape);
  Case<T> other = c;
  other.shape = turned.after();
  other.image = turned(c.image, c.channels);
  other.levels = turned(c.levels);
  if (static_cast<index_t>(c.background.size()) > c.channels) other.background = turned(c.background, c.channels);
  run(other, 1);
  if (exact || (c.options.fill == Fill::blur && !turned.transpose))
    EXPECT(same_values(turned(c.out, c.channels), other.out));
}

// Whether sums of pixels may overflow.
template <class T>
bool too_large(const Case<T>& c) {
  const auto large = [](T v) { return std::abs(static_cast<double>(v)) > std::numeric_limits<double>::max() / 1e6; };
  return std::any_of(c.image.begin(), c.image.end(), large);
}

template <class T>
void within_range(const Case<T>& c) {
  if (!all_finite(c.image) || ((c.options.fill == Fill::mean || c.options.fill == Fill::blur) && too_large(c))) return;
  for (index_t k = 0; k < c.channels; ++k) {
    // Products with weights lose the last bits of the smallest doubles there are.
    const T slack = std::is_same_v<T, double> ? static_cast<T>(8) * std::numeric_limits<T>::denorm_min() : T(0);
    T low = c.image[static_cast<std::size_t>(k)], high = low;
    for (index_t p = 0; p < c.pixels(); ++p) {
      low = std::min(low, c.image[static_cast<std::size_t>(p * c.channels + k)]);
      high = std::max(high, c.image[static_cast<std::size_t>(p * c.channels + k)]);
    }
    for (std::size_t v = static_cast<std::size_t>(k); v < c.out.size(); v += static_cast<std::size_t>(c.channels))
      EXPECT(c.out[v] >= low - slack && c.out[v] <= high + slack);
  }
}

struct Corner {
  index_t y, x, pixel;
};

index_t twice_area(Corner a, Corner b, Corner c) { return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x); }

// Positive when d lies inside the circle through a, b, c (which turn so that their area is positive).
index_t in_circle(Corner a, Corner b, Corner c, Corner d) {
  const auto row = [d](Corner p) {
    const index_t x = p.x - d.x, y = p.y - d.y;
    return std::array<index_t, 3>{x, y, x * x + y * y};
  };
  const auto [ax, ay, as] = row(a);
  const auto [bx, by, bs] = row(b);
  const auto [cx, cy, cs] = row(c);
  return ax * (by * cs - bs * cy) - ay * (bx * cs - bs * cx) + as * (bx * cy - by * cx);
}

// The Delaunay cell of the known pixels that holds p, from all triples: its corners in turning order.
std::vector<Corner> cell_of(const std::vector<Corner>& known, Corner p) {
  for (std::size_t i = 0; i < known.size(); ++i)
    for (std::size_t j = i + 1; j < known.size(); ++j)
      for (std::size_t k = j + 1; k < known.size(); ++k) {
        Corner a = known[i], b = known[j], c = known[k];
        const index_t area = twice_area(a, b, c);
        if (area == 0) continue;
        if (area < 0) std::swap(b, c);
        if (twice_area(a, b, p) < 0 || twice_area(b, c, p) < 0 || twice_area(c, a, p) < 0) continue;
        std::vector<Corner> cell;
        bool empty = true;
        for (const Corner& d : known) {
          const index_t side = in_circle(a, b, c, d);
          if (side > 0) empty = false;
          if (side == 0) cell.push_back(d);
        }
        if (!empty) continue;
        double y = 0, x = 0;
        for (const Corner& v : cell) y += static_cast<double>(v.y), x += static_cast<double>(v.x);
        y /= static_cast<double>(cell.size());
        x /= static_cast<double>(cell.size());
        const auto angle = [y, x](Corner v) {
          return std::atan2(static_cast<double>(v.y) - y, static_cast<double>(v.x) - x);
        };
        std::sort(cell.begin(), cell.end(), [&](Corner v, Corner w) { return angle(v) < angle(w); });
        return cell;
      }
  return {};
}

// Weights of the cell's corners at p, as shares: linear on an edge, else Wachspress.
std::vector<long double> weights_at(const std::vector<Corner>& cell, Corner p) {
  const std::size_t n = cell.size();
  std::vector<long double> weight(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    const Corner a = cell[i], b = cell[(i + 1) % n];
    if (twice_area(a, b, p) != 0) continue;
    const auto along = [](Corner v, Corner w) {
      return std::hypot(static_cast<long double>(v.y - w.y), static_cast<long double>(v.x - w.x));
    };
    weight[i] = along(b, p) / along(a, b);
    weight[(i + 1) % n] = along(a, p) / along(a, b);
    return weight;
  }
  long double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Corner before = cell[(i + n - 1) % n], here = cell[i], after = cell[(i + 1) % n];
    weight[i] =
        static_cast<long double>(twice_area(before, here, after)) /
        (static_cast<long double>(twice_area(before, here, p)) * static_cast<long double>(twice_area(here, after, p)));
    sum += weight[i];
  }
  for (auto& w : weight) w /= sum;
  return weight;
}

// Small images with at least two rows and columns: every unknown pixel against all circles.
template <class T>
void by_all_circles(const Case<T>& c, index_t m, index_t i) {
  std::vector<Corner> known;
  for (index_t p = 0; p < c.pixels(); ++p)
    if (c.known(m, i, p)) known.push_back({p / c.shape.width, p % c.shape.width, p});
  if (known.size() > 40) return;
  for (index_t p = 0; p < c.pixels(); ++p) {
    if (c.known(m, i, p)) continue;
    const Corner here{p / c.shape.width, p % c.shape.width, p};
    const auto cell = cell_of(known, here);
    EXPECT(cell.size() >= 3);
    const auto weight = weights_at(cell, here);
    for (index_t k = 0; k < c.channels; ++k) {
      long double expected = 0, largest = 0;
      bool finite = true;
      for (std::size_t v = 0; v < cell.size(); ++v) {
        const auto value = static_cast<long double>(c.image[static_cast<std::size_t>(cell[v].pixel * c.channels + k)]);
        if (weight[v] == 0) continue;
        expected += weight[v] * value;
        largest = std::max(largest, std::abs(value));
        finite &= std::isfinite(value);
      }
      const T found = c.stack(m, i)[p * c.channels + k];
      if (std::is_integral_v<T>) {
        const long double apart = std::abs(static_cast<long double>(found) - expected);
        EXPECT(apart <= 0.5L + 1e-9L);
        if (apart > 0.5L - 1e-9L) EXPECT(static_cast<index_t>(found) % 2 == 0);  // a half goes to the even number
      } else if (!finite) {
        EXPECT(!std::isfinite(static_cast<double>(found)));
      } else {
        const auto eps = static_cast<long double>(std::numeric_limits<T>::epsilon());
        EXPECT(std::abs(static_cast<long double>(found) - expected) <=
               (8 * eps + 1e-13L) * largest + 32 * static_cast<long double>(std::numeric_limits<T>::denorm_min()));
      }
    }
  }
}

template <class T>
void linear_of(Random& random) {
  const bool small = random.chance(0.5);
  Case<T> c = make<T>(random, Fill::linear, small ? 36 : random.chance(0.1) ? 9000 : 600);
  invariants(random, c, std::is_integral_v<T>);
  within_range(c);
  if (small && std::min(c.shape.height, c.shape.width) > 1)
    by_all_circles(c, random.below(c.maps), random.below(c.count));
}

template <class T>
void nearest_of(Random& random) {
  Case<T> c = make<T>(random, Fill::nearest, random.chance(0.1) ? 4000 : 300);
  invariants(random, c, std::is_integral_v<T>);
  within_range(c);
  const index_t m = random.below(c.maps), i = random.below(c.count);
  if (c.pixels() > 300) return;
  for (index_t p = 0; p < c.pixels(); ++p) {
    const auto distance = [&](index_t q) {
      const index_t dy = p / c.shape.width - q / c.shape.width, dx = p % c.shape.width - q % c.shape.width;
      return dy * dy + dx * dx;
    };
    index_t least = std::numeric_limits<index_t>::max();
    for (index_t q = 0; q < c.pixels(); ++q)
      if (c.known(m, i, q)) least = std::min(least, distance(q));
    for (index_t k = 0; k < c.channels; ++k) {
      long double sum = 0, count = 0, largest = 0;
      for (index_t q = 0; q < c.pixels(); ++q) {
        if (!c.known(m, i, q) || distance(q) != least) continue;
        const auto value = static_cast<long double>(c.image[static_cast<std::size_t>(q * c.channels + k)]);
        sum += value;
        largest = std::max(largest, std::abs(value));
        ++count;
      }
      const T found = c.stack(m, i)[p * c.channels + k];
      const long double mean = sum / count;
      if (std::is_integral_v<T>)
        EXPECT(static_cast<long double>(found) == std::nearbyint(mean));
      else if (!std::isfinite(mean))
        EXPECT(!std::isfinite(static_cast<double>(found)));
      else
        EXPECT(std::abs(static_cast<long double>(found) - mean) <=
               4 * static_cast<long double>(std::numeric_limits<T>::epsilon()) * largest +
                   32 * static_cast<long double>(std::numeric_limits<T>::denorm_min()));
    }
  }
}

template <class T>
void background_of(Random& random) {
  const auto kind = random.below(4);  // a colour, an image, the mean, the blur
  Case<T> c = make<T>(random,
                      kind < 2    ? Fill::background
                      : kind == 2 ? Fill::mean
                                  : Fill::blur,
                      random.chance(0.1) ? 4000 : 400);
  c.options.sigma = random.chance(0.1) ? 60.0 * random.unit() + 0.01 : 3.0 * random.unit() + 0.01;
  if (kind == 1) c.background = values<T>(random, c.each());
  if (kind == 0) c.background = values<T>(random, c.channels);
  invariants(random, c, kind < 2 || std::is_integral_v<T>);
  if (kind > 1) within_range(c);
  std::vector<T> expected = c.background;
  if (kind == 2)
    expected = xaijax::mean_colour(ImageView<const T>{c.image.data(), c.shape.height, c.shape.width, c.channels});
  if (kind == 3) return;
  if (kind == 2 && all_finite(c.image) && !too_large(c))
    for (index_t k = 0; k < c.channels; ++k) {
      long double sum = 0, largest = 0;
      for (index_t p = 0; p < c.pixels(); ++p) {
        const auto value = static_cast<long double>(c.image[static_cast<std::size_t>(p * c.channels + k)]);
        sum += value;
        largest = std::max(largest, std::abs(value));
      }
      const long double mean = sum / static_cast<long double>(c.pixels()),
                        found = expected[static_cast<std::size_t>(k)];
      if (std::is_integral_v<T>) EXPECT(found == std::nearbyint(mean));
      else
        EXPECT(std::abs(found - mean) <= (4 * static_cast<long double>(std::numeric_limits<T>::epsilon()) +
                                          4e-16L * static_cast<long double>(c.pixels())) *
                                                 largest +
                                             32 * static_cast<long double>(std::numeric_limits<T>::denorm_min()));
    }
  const bool one = static_cast<index_t>(expected.size()) == c.channels;
  for (index_t m = 0; m < c.maps; ++m)
    for (index_t i = 0; i < c.count; ++i)
      for (index_t p = 0; p < c.pixels(); ++p)
        if (!c.known(m, i, p))
          EXPECT(std::memcmp(c.stack(m, i) + p * c.channels, expected.data() + (one ? 0 : p * c.channels),
                             static_cast<std::size_t>(c.channels) * sizeof(T)) == 0);
}

// The system's equations with the solution put in, and the noise on top.
template <class T>
void noisy_linear_of(Random& random) {
  Case<T> c = make<T>(random, Fill::noisy_linear, random.chance(0.1) ? 1500 : 200);
  const double top = std::is_integral_v<T> ? static_cast<double>(std::numeric_limits<T>::max()) : 1.0;
  c.options.noise = random.chance(0.5) ? 0.0 : top * random.unit();
  c.options.seed = random.bits();
  invariants(random, c, false);
  if (!all_finite(c.image) || std::is_integral_v<T>) return;
  const index_t m = random.below(c.maps), i = random.below(c.count);
  for (index_t k = 0; k < c.channels; ++k) {
    double low = static_cast<double>(c.image[static_cast<std::size_t>(k)]), high = low;
    bool any = false;
    std::vector<double> solution;
    for (index_t p = 0; p < c.pixels(); ++p) {
      const double value = static_cast<double>(c.image[static_cast<std::size_t>(p * c.channels + k)]);
      low = std::min(low, value);
      high = std::max(high, value);
      any |= c.known(m, i, p);
      const index_t at = p * c.channels + k;
      const double noise = c.known(m, i, p) || c.options.noise == 0.0
                               ? 0.0
                               : c.options.noise * xaijax::pixel_noise(c.options.seed, static_cast<std::uint64_t>(at));
      solution.push_back(static_cast<double>(c.stack(m, i)[at]) - noise);
    }
    const double range = high - low, large = std::max(std::abs(low), std::abs(high)) + 8.0 * c.options.noise;
    if (!any || !std::isfinite(range) || large > 1e300 || (range > 0.0 && range < 1e-300)) continue;
    const double tolerance = 1e-6 * range + 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) * large +
                             8.0 * static_cast<double>(std::numeric_limits<T>::denorm_min());
    for (index_t p = 0; p < c.pixels(); ++p) {
      if (c.known(m, i, p)) continue;
      double sum = 0.0, weights = 0.0;
      for (index_t dy = -1; dy <= 1; ++dy)
        for (index_t dx = -1; dx <= 1; ++dx) {
          const index_t y = p / c.shape.width + dy, x = p % c.shape.width + dx;
          if ((dy == 0 && dx == 0) || y < 0 || y >= c.shape.height || x < 0 || x >= c.shape.width) continue;
          const double w = dy == 0 || dx == 0 ? 1.0 / 6.0 : 1.0 / 12.0;
          sum += w * solution[static_cast<std::size_t>(y * c.shape.width + x)];
          weights += w;
        }
      EXPECT(near(solution[static_cast<std::size_t>(p)], sum / weights, tolerance));
      EXPECT(solution[static_cast<std::size_t>(p)] >= low - tolerance &&
             solution[static_cast<std::size_t>(p)] <= high + tolerance);
    }
  }
}

template <class Driver>
void any_dtype(Random& random, const Driver& driver) {
  switch (random.below(4)) {
    case 0: return driver(std::uint8_t{});
    case 1: return driver(std::uint16_t{});
    case 2: return driver(float{});
    default: return driver(double{});
  }
}

}  // namespace

void linear(Random& random) { any_dtype(random, [&](auto zero) { linear_of<decltype(zero)>(random); }); }
void nearest(Random& random) { any_dtype(random, [&](auto zero) { nearest_of<decltype(zero)>(random); }); }
void background(Random& random) { any_dtype(random, [&](auto zero) { background_of<decltype(zero)>(random); }); }
void noisy_linear(Random& random) { any_dtype(random, [&](auto zero) { noisy_linear_of<decltype(zero)>(random); }); }

}  // namespace fuzz
