#include "ebayes/node_weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "common/targets.hpp"
#include "ebayes/curve.hpp"

#define XAIJAX_INLINE inline __attribute__((always_inline))

namespace xaijax {

namespace {

constexpr index_t block = 256;

// For a block of values: the piece each lies in and the first three powers of its place there, in [-1, 1], as fixed
// point: the bits of power + shift, whose last bit is worth shift * 2^-52.
struct Block {
  std::int32_t piece[block];
  std::uint64_t power[3][block];
};

// first * second = pieces_per_unit / sd. Two factors, because 1 / sd of the smallest sd is no number.
struct Scale {
  explicit Scale(double sd) : first(sd < 1e-200 ? 0x1p512 : 1.0), second(NodeWeights::pieces_per_unit / (sd * first)) {}
  double first, second;
};

XAIJAX_INLINE std::uint64_t bits_of(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T>
XAIJAX_INLINE void place_values(const T* values, index_t count, Scale scale, double last, double shift, Block& out) {
  for (index_t i = 0; i < count; ++i) {
    const double exact = std::abs(static_cast<double>(values[i])) * scale.first * scale.second;
    const double at = exact < last ? exact : last;
    const auto piece = static_cast<std::int32_t>(at);
    const double s = 2.0 * (at - static_cast<double>(piece)) - 1.0, s2 = s * s;
    out.piece[i] = piece;
    out.power[0][i] = bits_of(s + shift);
    out.power[1][i] = bits_of(s2 + shift);
    out.power[2][i] = bits_of(s2 * s + shift);
  }
}

XAIJAX_SIMD void place(const float* values, index_t count, Scale scale, double last, double shift, Block& out) {
  place_values(values, count, scale, last, shift, out);
}
XAIJAX_SIMD void place(const double* values, index_t count, Scale scale, double last, double shift, Block& out) {
  place_values(values, count, scale, last, shift, out);
}

}  // namespace

template <class T>
NodeWeights::NodeWeights(const T* map, index_t count, double sd, double end) : count_(count), end_(end) {
  const auto pieces = static_cast<std::size_t>(end * pieces_per_unit);
  // So fine that the sums of all values fit 63 bits.
  int bits = 46;
  while (bits > 1 && (count >> (62 - bits)) != 0) --bits;
  const double shift = std::ldexp(1.5, 52 - bits);
  std::vector<std::array<std::uint64_t, 4>> moments(pieces + 1);  // how many, and the sums of three powers
  const Scale scale(sd);
  const auto last = static_cast<double>(pieces);
  Block now;
  for (index_t start = 0; start < count; start += block) {
    const index_t length = std::min(block, count - start);
    place(map + start, length, scale, last, shift, now);
    for (index_t i = 0; i < length; ++i) {
      auto& sums = moments[static_cast<std::size_t>(now.piece[i])];
      ++sums[0];
      for (std::size_t k = 0; k < 3; ++k) sums[k + 1] += now.power[k][i];
    }
  }
  beyond_ = static_cast<index_t>(moments[pieces][0]);
  const auto& basis = ChebyshevBasis<per_piece>::get();
  const std::uint64_t shift_bits = bits_of(shift);
  const double unit = std::ldexp(1.0, -bits);
  pieces_.reserve(pieces);
  weights_.reserve(per_piece * pieces);
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    const auto& sums = moments[piece];
    if (sums[0] == 0) continue;
    double moment[per_piece] = {static_cast<double>(sums[0])};
    for (std::size_t k = 1; k < per_piece; ++k)
      moment[k] = static_cast<double>(static_cast<std::int64_t>(sums[k] - sums[0] * shift_bits)) * unit;
    pieces_.push_back(static_cast<std::int32_t>(piece));
    for (std::size_t j = 0; j < per_piece; ++j) {
      double weight = 0.0;
      for (std::size_t k = 0; k < per_piece; ++k) weight += basis.to_powers[k][j] * moment[k];
      weights_.push_back(weight);
    }
  }
}

double NodeWeights::node(index_t piece, index_t j) {
  const double place = ChebyshevBasis<per_piece>::get().points[static_cast<std::size_t>(j)];
  return (static_cast<double>(piece) + 0.5 * (place + 1.0)) / pieces_per_unit;
}

template NodeWeights::NodeWeights(const float*, index_t, double, double);
template NodeWeights::NodeWeights(const double*, index_t, double, double);

}  // namespace xaijax
