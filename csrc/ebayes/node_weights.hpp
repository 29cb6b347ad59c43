// Many values as weights at a few fixed nodes: sum_i f(u_i) = sum_j weight_j f(node_j) for every f that is a cubic on
// each of the pieces [k, k + 1) / pieces_per_unit. A sum over a map then costs a few thousand evaluations of f instead
// of one for every pixel, and what f needs at a node can be kept.
//
// Four Chebyshev points per piece. For f with its nearest pole at distance d the error of a term is about
// (4 pieces_per_unit d)^-4: 2e-11 for d = 0.5.
#pragma once

#include <cstdint>
#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

class NodeWeights {
 public:
  static constexpr index_t per_piece = 4;
  static constexpr double pieces_per_unit = 256.0;

  // The values |map[i]| / sd, all finite; those from `end` on are only counted. The weights do not depend on the order
  // of the values: their moments are summed in fixed point. T: float, double.
  template <class T>
  NodeWeights(const T* map, index_t count, double sd, double end);

  index_t count() const { return count_; }
  index_t beyond() const { return beyond_; }
  double end() const { return end_; }

  // The pieces that hold values, in ascending order, and the weights of their nodes, four for each.
  const std::vector<std::int32_t>& pieces() const { return pieces_; }
  const std::vector<double>& weights() const { return weights_; }

  // Node j of a piece.
  static double node(index_t piece, index_t j);

 private:
  index_t count_, beyond_ = 0;
  double end_;
  std::vector<std::int32_t> pieces_;
  std::vector<double> weights_;
};

}  // namespace xaijax
