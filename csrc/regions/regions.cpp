#include "xaijax/regions.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>

namespace xaijax {

namespace {

// The sum NumPy gives for a contiguous array: eight running sums over blocks of at most 128, halves above that. Ties
// between means decide which mask comes first, so the rounding is part of the definition.
template <class T>
T pairwise_sum(const T* values, index_t count) {
  if (count < 8) {
    T sum = T(-0.0);
    for (index_t i = 0; i < count; ++i) sum += values[i];
    return sum;
  }
  if (count <= 128) {
    T lane[8];
    for (int j = 0; j < 8; ++j) lane[j] = values[j];
    index_t i = 8;
    for (; i + 8 <= count; i += 8)
      for (int j = 0; j < 8; ++j) lane[j] += values[i + j];
    T sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < count; ++i) sum += values[i];
    return sum;
  }
  index_t half = count / 2;
  half -= half % 8;
  return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
}

template <class T>
double mean(const T* values, index_t count) {
  const double exact = static_cast<double>(pairwise_sum(values, count)) / static_cast<double>(count);
  return static_cast<double>(static_cast<T>(exact));
}

// A mask dilated by a disk: a pixel joins when, some rows up or down, a member lies close enough along the row.
class Dilation {
 public:
  Dilation(index_t height, index_t width, index_t radius)
      : height_(height), width_(width), radius_(radius), reach_(static_cast<std::size_t>(radius) + 1) {
    for (index_t dy = 0; dy <= radius; ++dy) {
      auto reach = static_cast<index_t>(std::sqrt(static_cast<double>(radius * radius - dy * dy)));
      while (reach * reach > radius * radius - dy * dy) --reach;
      while ((reach + 1) * (reach + 1) <= radius * radius - dy * dy) ++reach;
      reach_[static_cast<std::size_t>(dy)] = static_cast<std::int32_t>(reach);
    }
    along_.resize(static_cast<std::size_t>(height * width));
    out_.resize(static_cast<std::size_t>(height * width));
  }

  const std::uint8_t* operator()(const std::uint8_t* mask) {
    const auto far = static_cast<std::int32_t>(radius_ + 1);
    index_t top = height_, bottom = -1;
    for (index_t y = 0; y < height_; ++y) {
      const std::uint8_t* row = mask + y * width_;
      std::int32_t* along = along_.data() + y * width_;
      std::int32_t d = far;
      for (index_t x = 0; x < width_; ++x) along[x] = d = row[x] != 0 ? 0 : std::min(d + 1, far);
      bool any = d < far;
      d = far;
      for (index_t x = width_ - 1; x >= 0; --x) {
        d = row[x] != 0 ? 0 : std::min(d + 1, far);
        any |= d == 0;
        along[x] = std::min(along[x], d);
      }
      if (any) {
        top = std::min(top, y);
        bottom = y;
      }
    }
    std::fill(out_.begin(), out_.end(), std::uint8_t{0});
    for (index_t y = top; y <= bottom; ++y) {
      const std::int32_t* along = along_.data() + y * width_;
      for (index_t to = std::max<index_t>(0, y - radius_); to <= std::min(height_ - 1, y + radius_); ++to) {
        const std::int32_t reach = reach_[static_cast<std::size_t>(to > y ? to - y : y - to)];
        std::uint8_t* out = out_.data() + to * width_;
        for (index_t x = 0; x < width_; ++x) out[x] |= static_cast<std::uint8_t>(along[x] <= reach);
      }
    }
    return out_.data();
  }

 private:
  index_t height_, width_, radius_;
  std::vector<std::int32_t> reach_, along_;
  std::vector<std::uint8_t> out_;
};

}  // namespace

Regions::Regions(const std::uint8_t* masks, index_t count, index_t height, index_t width, index_t dilate)
    : pixels_(height * width) {
  if (pixels_ > 0xffffffffll) throw std::invalid_argument("attribution has more than 2^32 pixels");
  // No disk reaches further than the image is wide and high.
  Dilation dilation(height, width, dilate > 0 ? std::min(dilate, height + width) : 0);
  owner_starts_.assign(static_cast<std::size_t>(pixels_) + 1, 0);
  starts_.push_back(0);
  constexpr index_t word_size = sizeof(std::uint64_t), words = 4;
  const auto found = std::make_unique<std::uint32_t[]>(static_cast<std::size_t>(pixels_ + word_size));
  members_.reserve(static_cast<std::size_t>(8 * pixels_));  // as many as sets usually have
  for (index_t m = 0; m < count; ++m) {
    const std::uint8_t* mask = masks + m * pixels_;
    if (dilate > 0) mask = dilation(mask);
    index_t n = 0, p = 0;
    const auto look_at = [&](index_t pixel) {
      found[static_cast<std::size_t>(n)] = static_cast<std::uint32_t>(pixel);
      n += mask[pixel] != 0;
    };
    // Whole words at a time, since most of a mask is empty.
    for (; p + words * word_size <= pixels_; p += words * word_size) {
      std::uint64_t word[words], any = 0;
      std::memcpy(word, mask + p, sizeof word);
      for (index_t k = 0; k < words; ++k) any |= word[k];
      if (any == 0) continue;
      for (index_t k = 0; k < words; ++k)
        if (word[k] != 0)
          for (index_t i = 0; i < word_size; ++i) look_at(p + k * word_size + i);
    }
    for (; p < pixels_; ++p) look_at(p);
    for (index_t i = 0; i < n; ++i) ++owner_starts_[std::size_t{found[static_cast<std::size_t>(i)]} + 1];
    members_.insert(members_.end(), found.get(), found.get() + n);
    starts_.push_back(static_cast<index_t>(members_.size()));
  }
  std::partial_sum(owner_starts_.begin(), owner_starts_.end(), owner_starts_.begin());
  owners_.resize(members_.size());
  auto next = owner_starts_;
  for (index_t m = 0; m < count; ++m)
    for (index_t i = starts_[static_cast<std::size_t>(m)]; i < starts_[static_cast<std::size_t>(m) + 1]; ++i)
      owners_[static_cast<std::size_t>(next[members_[static_cast<std::size_t>(i)]]++)] = static_cast<std::uint32_t>(m);
}

namespace {

// Attributions as integers: sums of them are exact in any order, so that those of what is left of every mask can be
// kept up to date pixel by pixel. A mean of integers differs from the rounded mean that decides by at most
// `uncertainty`, and only masks this close to the best need the latter.
template <class T>
struct Integers {
  std::vector<std::int64_t> values;
  double unit = 0.0;  // of one
  double uncertainty = 0.0;

  Integers(const T* attribution, index_t pixels) : values(static_cast<std::size_t>(pixels), 0) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double largest = 0.0;
    bool finite = true;
    for (index_t p = 0; p < pixels; ++p) {
      const double size = std::abs(static_cast<double>(attribution[p]));
      finite &= size < infinity;
      largest = size > largest ? size : largest;
    }
    // Where sums may overflow, or are no numbers, nothing is known of the means.
    if (!finite || largest * static_cast<double>(pixels) > static_cast<double>(std::numeric_limits<T>::max())) {
      uncertainty = infinity;
      return;
    }
    int exponent;
    std::frexp(largest, &exponent);
    int bits = 0;
    while ((pixels >> bits) != 0) ++bits;
    const int scale = 62 - bits;  // |value| <= 2^scale
    // Rounding of the integers; and of the pairwise sum, whose terms pass fewer than 16 + 3 + 7 + 32 additions, of the
    // division and of the conversion to T.
    unit = std::ldexp(1.0, exponent - scale);
    uncertainty = unit + 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
    if (largest == 0.0 || !(unit > std::numeric_limits<double>::min())) return;
    const double per_unit = std::ldexp(1.0, scale - exponent);
    for (index_t p = 0; p < pixels; ++p)
      values[static_cast<std::size_t>(p)] = static_cast<std::int64_t>(static_cast<double>(attribution[p]) * per_unit);
  }
};

}  // namespace

template <class T>
void Regions::rank(const T* attribution, const RegionOptions& options, double* map, std::int32_t* ranks) const {
  constexpr double worst = -std::numeric_limits<double>::infinity();
  const index_t masks = count();
  struct Left {  // pixels of a mask that no chosen mask covers, and the sum of their integers
    index_t size;
    std::int64_t sum;
  };
  struct Mask {
    double gain;        // mean attribution of the pixels that are left
    index_t gain_size;  // how many there were when it was taken
    bool gone;
  };
  const Integers<T> integers(attribution, pixels_);
  std::vector<Left> left(static_cast<std::size_t>(masks));
  std::vector<Mask> state(static_cast<std::size_t>(masks));
  std::vector<std::uint8_t> covered(static_cast<std::size_t>(pixels_), 0);
  std::vector<T> values(static_cast<std::size_t>(pixels_));
  index_t covered_count = 0;

  struct Region {
    double gain;
    std::vector<std::uint32_t> pixels;
  };
  std::vector<Region> chosen;

  // Brings the mean over the pixels of a mask that are not covered up to date.
  const auto refresh = [&](index_t m) {
    Mask& mask = state[static_cast<std::size_t>(m)];
    const index_t size = left[static_cast<std::size_t>(m)].size;
    if (mask.gain_size == size) return;
    index_t n = 0;
    for (index_t i = starts_[static_cast<std::size_t>(m)]; n < size; ++i) {
      const std::uint32_t p = members_[static_cast<std::size_t>(i)];
      values[static_cast<std::size_t>(n)] = attribution[p];
      n += covered[p] == 0;
    }
    mask.gain = n > 0 ? mean(values.data(), n) : worst;
    mask.gain_size = size;
  };
  const auto take = [&](index_t m) {
    Mask& mask = state[static_cast<std::size_t>(m)];
    const index_t size = left[static_cast<std::size_t>(m)].size;
    chosen.push_back({mask.gain, {}});
    std::vector<std::uint32_t>& pixels = chosen.back().pixels;
    pixels.reserve(static_cast<std::size_t>(size));
    covered_count += size;
    mask.gone = true;
    for (index_t i = starts_[static_cast<std::size_t>(m)]; i < starts_[static_cast<std::size_t>(m) + 1]; ++i) {
      const std::uint32_t p = members_[static_cast<std::size_t>(i)];
      if (covered[p] != 0) continue;
      covered[p] = 1;
      map[p] = mask.gain;
      pixels.push_back(p);
      const std::int64_t value = integers.values[p];
      for (index_t k = owner_starts_[p]; k < owner_starts_[static_cast<std::size_t>(p) + 1]; ++k) {
        Left& owner = left[owners_[static_cast<std::size_t>(k)]];
        --owner.size;
        owner.sum -= value;
      }
    }
  };

  for (index_t m = 0; m < masks; ++m) {
    const auto at = static_cast<std::size_t>(m);
    std::int64_t sum = 0;
    for (index_t i = starts_[at]; i < starts_[at + 1]; ++i)
      sum += integers.values[members_[static_cast<std::size_t>(i)]];
    left[at] = {starts_[at + 1] - starts_[at], sum};
    state[at] = {worst, -1, false};
  }
  if (options.fast) {
    for (index_t m = 0; m < masks; ++m) refresh(m);
    std::vector<index_t> order(static_cast<std::size_t>(masks));
    std::iota(order.begin(), order.end(), index_t{0});
    std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) {
      return state[static_cast<std::size_t>(a)].gain > state[static_cast<std::size_t>(b)].gain;
    });
    for (const index_t m : order) {
      if (left[static_cast<std::size_t>(m)].size < options.min_pixels) continue;
      refresh(m);
      take(m);
    }
  } else {
    std::vector<double> about(static_cast<std::size_t>(masks));
    while (static_cast<double>(covered_count) / static_cast<double>(pixels_) <= options.area) {
      double largest = worst;
      for (index_t m = 0; m < masks; ++m) {
        Mask& mask = state[static_cast<std::size_t>(m)];
        const auto [size, sum] = left[static_cast<std::size_t>(m)];
        mask.gone |= size < options.min_pixels;
        if (mask.gone) continue;
        const double gain = static_cast<double>(sum) * integers.unit / static_cast<double>(size);
        about[static_cast<std::size_t>(m)] = gain;
        largest = std::max(largest, gain);
      }
      // Whoever has the largest mean lies within twice the uncertainty of the largest estimate.
      const double least = largest - 2.0 * integers.uncertainty;
      index_t best = -1;
      double best_gain = worst;
      for (index_t m = 0; m < masks; ++m) {
        Mask& mask = state[static_cast<std::size_t>(m)];
        if (mask.gone || about[static_cast<std::size_t>(m)] < least) continue;
        refresh(m);
        if (mask.gain > best_gain) {
          best_gain = mask.gain;
          best = m;
        }
      }
      if (best < 0) break;
      take(best);
    }
  }

  index_t rest = 0;
  for (index_t p = 0; p < pixels_; ++p) {
    values[static_cast<std::size_t>(rest)] = attribution[p];
    rest += covered[static_cast<std::size_t>(p)] == 0;
  }
  const double rest_gain = rest > 0 ? mean(values.data(), rest) : worst;
  std::vector<std::size_t> order(chosen.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return chosen[a].gain > chosen[b].gain; });
  const auto last = static_cast<std::int32_t>(chosen.size()) + 1;
  for (index_t p = 0; p < pixels_; ++p) {
    if (covered[static_cast<std::size_t>(p)]) continue;
    map[p] = rest_gain;
    ranks[p] = last;
  }
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const std::uint32_t p : chosen[order[i]].pixels) ranks[p] = static_cast<std::int32_t>(i) + 1;
}

template void Regions::rank(const float*, const RegionOptions&, double*, std::int32_t*) const;
template void Regions::rank(const double*, const RegionOptions&, double*, std::int32_t*) const;

}  // namespace xaijax
