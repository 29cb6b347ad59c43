// Unknown pixels as the weighted mean of their neighbours: conjugate gradients, preconditioned with one cycle of
// multigrid. Four channels at once.
//
// x_p = sum_q w_q x_q / sum_q w_q over the neighbours q in the image, w 1/6 beside and 1/12 diagonally: a Laplacian
// whose holes have any shape, so the coarser grids are made from the equations themselves (Galerkin: A' = P^T A P with
// bilinear P) and not by taking the mask at a coarser resolution. References: Briggs, Henson, McCormick, "A Multigrid
// Tutorial", 2000, chapters 3, 5 and 8; Tatebe, "The multigrid preconditioned conjugate gradient method", 1993.
#pragma once

#include <vector>

#include "xaijax/views.hpp"

namespace xaijax {

class GridSolver {
 public:
  static constexpr int lanes = 4;
  using Quad = double __attribute__((vector_size(lanes * sizeof(double))));

  GridSolver(index_t height, index_t width);

  // The values of a pixel: set those of known pixels before `solve`, a guess at the others, and read them after it.
  double* at(index_t pixel) { return reinterpret_cast<double*>(&solution_[place(pixel)]); }

  // Solves for the pixels in `open` (row-major numbers, ascending); all others are known. Ends when the square of the
  // error, in the norm of the equations and per unknown pixel, is below `goal` in every lane that is finite.
  void solve(const std::vector<index_t>& open, double goal);

 private:
  // One grid with a border of zeros; places are row-major in the padded grid.
  struct Grid {
    index_t height = 0, width = 0, wide = 0;
    std::vector<std::size_t> open;
    std::vector<double> diagonal, inverse;
    std::vector<double> edges;  // coarse grids: weights to the east, south-west, south and south-east, four to a place
    std::vector<Quad> value, right;
  };

  std::size_t place(index_t pixel) const {
    return static_cast<std::size_t>((pixel / width_ + 1) * (width_ + 2) + pixel % width_ + 1);
  }

  void coarsen(std::size_t level);
  void cycle(std::size_t level);

  index_t width_;
  std::vector<Grid> grids_;
  std::size_t used_ = 0;        // grids that the present unknowns need
  std::vector<double> weight_;  // of all neighbours in the image
  std::vector<Quad> solution_, search_, residual_, image_;
};

}  // namespace xaijax
