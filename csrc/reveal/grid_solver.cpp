// The finest grid's weights are two constants, the coarser grids' are stored. A cycle goes down with a sweep of
// Gauss-Seidel forwards on every grid and up with one backwards, which makes it symmetric, as the preconditioner of
// conjugate gradients must be.
#include "reveal/grid_solver.hpp"

#include <algorithm>
#include <cmath>

namespace xaijax {

namespace {

using Quad = GridSolver::Quad;

constexpr double beside = 1.0 / 6.0, across = 1.0 / 12.0;
constexpr std::size_t few = 12;  // unknowns that sweeps alone solve well enough
constexpr int sweeps = 4;        // of them, to and fro

// The neighbours' weighted sum, on the finest grid; values are zero where nothing is unknown.
struct Constant {
  std::size_t wide;

  void add(const Quad* v, std::size_t p, Quad& sum) const {
    sum += beside * ((v[p - 1] + v[p + 1]) + (v[p - wide] + v[p + wide])) +
           across * ((v[p - wide - 1] + v[p + wide + 1]) + (v[p - wide + 1] + v[p + wide - 1]));
  }
};

// On a coarser one.
struct Stored {
  std::size_t wide;
  const double* edges;

  void add(const Quad* v, std::size_t p, Quad& sum) const {
    const double* const own = edges + 4 * p;
    const double* const above = own - 4 * wide;
    sum += (own[0] * v[p + 1] + own[-4] * v[p - 1]) + (own[2] * v[p + wide] + above[2] * v[p - wide]) +
           (own[1] * v[p + wide - 1] + above[4 + 1] * v[p - wide + 1]) +
           (own[3] * v[p + wide + 1] + above[-4 + 3] * v[p - wide - 1]);
  }
};

template <class Weights>
void sweep(const Weights& weights, const std::vector<std::size_t>& open, const double* inverse, const Quad* right,
           Quad* value, bool forwards) {
  const auto relax = [&](std::size_t p) {
    Quad sum = right[p];
    weights.add(value, p, sum);
    value[p] = sum * inverse[p];
  };
  if (forwards)
    for (const std::size_t p : open) relax(p);
  else
    for (auto p = open.rbegin(); p != open.rend(); ++p) relax(*p);
}

// Parents of a row or column on the coarser grid, and their weights: itself where even, both sides where odd.
struct Parents {
  index_t first;
  bool two;
  double weight;

  explicit Parents(index_t at) : first(at / 2), two(at % 2 != 0), weight(two ? 0.5 : 1.0) {}
};

}  // namespace

GridSolver::GridSolver(index_t height, index_t width) : width_(width) {
  for (index_t h = height, w = width;; h = h / 2 + 1, w = w / 2 + 1) {
    Grid grid;
    grid.height = h;
    grid.width = w;
    grid.wide = w + 2;
    const auto size = static_cast<std::size_t>((h + 2) * (w + 2));
    grid.diagonal.resize(size);
    grid.inverse.resize(size);
    grid.value.resize(size);
    grid.right.resize(size);
    if (!grids_.empty()) grid.edges.resize(4 * size);
    grids_.push_back(std::move(grid));
    if (h <= 3 && w <= 3) break;
  }
  const std::size_t size = grids_.front().value.size();
  solution_.resize(size);
  search_.resize(size);
  residual_.resize(size);
  image_.resize(size);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x) {
      const int sides = (x > 0) + (x < width - 1), ends = (y > 0) + (y < height - 1);
      weight_.push_back((sides + ends) * beside + sides * ends * across);
    }
}

// The equations of grid `level + 1` from those of `level`.
void GridSolver::coarsen(std::size_t level) {
  const Grid& fine = grids_[level];
  Grid& coarse = grids_[level + 1];
  const auto wide = static_cast<std::size_t>(fine.wide), broad = static_cast<std::size_t>(coarse.wide);
  std::fill(coarse.diagonal.begin(), coarse.diagonal.end(), 0.0);
  std::fill(coarse.edges.begin(), coarse.edges.end(), 0.0);
  for (const std::size_t p : fine.open) {
    const auto y = static_cast<index_t>(p / wide) - 1, x = static_cast<index_t>(p % wide) - 1;
    // The row of A P: three by three places of the coarse grid, from the one above and left of the parents.
    double row[3][3] = {};
    const index_t top = (y + 1) / 2 - 1, left = (x + 1) / 2 - 1;
    for (index_t dy = -1; dy <= 1; ++dy)
      for (index_t dx = -1; dx <= 1; ++dx) {
        const auto q = static_cast<std::size_t>(static_cast<index_t>(p) + dy * fine.wide + dx);
        if (fine.inverse[q] == 0.0) continue;
        double entry;
        if (dy == 0 && dx == 0) {
          entry = fine.diagonal[p];
        } else if (level == 0) {
          entry = dy == 0 || dx == 0 ? -beside : -across;
        } else {
          const std::size_t from = std::min(p, q);
          const std::size_t kind = dy == 0 ? 0 : (dx * dy < 0 ? 1 : (dx == 0 ? 2 : 3));
          entry = -fine.edges[4 * from + kind];
        }
        const Parents down(y + dy), along(x + dx);
        entry *= down.weight * along.weight;
        for (index_t i = 0; i <= down.two; ++i)
          for (index_t j = 0; j <= along.two; ++j) row[down.first + i - top][along.first + j - left] += entry;
      }
    const Parents down(y), along(x);
    const double share = down.weight * along.weight;
    for (index_t i = 0; i <= down.two; ++i)
      for (index_t j = 0; j <= along.two; ++j) {
        // Row and column of the parent in `row`; what lies before it in row-major order has it in its own.
        const index_t a = down.first + i - top, b = along.first + j - left;
        const auto parent = static_cast<std::size_t>((down.first + i + 1) * coarse.wide + along.first + j + 1);
        coarse.diagonal[parent] += share * row[a][b];
        double* const edges = coarse.edges.data() + 4 * parent;
        if (b < 2) edges[0] -= share * row[a][b + 1];
        if (a < 2) {
          if (b > 0) edges[1] -= share * row[a + 1][b - 1];
          edges[2] -= share * row[a + 1][b];
          if (b < 2) edges[3] -= share * row[a + 1][b + 1];
        }
      }
  }
  coarse.open.clear();
  std::fill(coarse.inverse.begin(), coarse.inverse.end(), 0.0);
  for (std::size_t p = broad + 1; p + broad + 1 < coarse.diagonal.size(); ++p)
    if (coarse.diagonal[p] > 0.0) {
      coarse.open.push_back(p);
      coarse.inverse[p] = 1.0 / coarse.diagonal[p];
    }
}

// value = about A^-1 right, a symmetric linear function of right.
void GridSolver::cycle(std::size_t level) {
  Grid& grid = grids_[level];
  const auto wide = static_cast<std::size_t>(grid.wide);
  const auto smooth = [&](bool forwards) {
    if (level == 0)
      sweep(Constant{wide}, grid.open, grid.inverse.data(), grid.right.data(), grid.value.data(), forwards);
    else
      sweep(Stored{wide, grid.edges.data()}, grid.open, grid.inverse.data(), grid.right.data(), grid.value.data(),
            forwards);
  };
  for (const std::size_t p : grid.open) grid.value[p] = Quad{};
  if (level + 1 == used_) {
    for (int i = 0; i < sweeps; ++i) {
      smooth(true);
      smooth(false);
    }
    return;
  }
  smooth(true);
  Grid& coarse = grids_[level + 1];
  for (const std::size_t p : coarse.open) coarse.right[p] = Quad{};
  const auto parent = [&](index_t row, index_t column) {
    return static_cast<std::size_t>((row + 1) * coarse.wide + column + 1);
  };
  for (const std::size_t p : grid.open) {
    Quad rest = grid.right[p] - grid.diagonal[p] * grid.value[p];
    if (level == 0)
      Constant{wide}.add(grid.value.data(), p, rest);
    else
      Stored{wide, grid.edges.data()}.add(grid.value.data(), p, rest);
    const Parents down(static_cast<index_t>(p / wide) - 1), along(static_cast<index_t>(p % wide) - 1);
    rest *= down.weight * along.weight;
    for (index_t i = 0; i <= down.two; ++i)
      for (index_t j = 0; j <= along.two; ++j) coarse.right[parent(down.first + i, along.first + j)] += rest;
  }
  cycle(level + 1);
  for (const std::size_t p : grid.open) {
    const Parents down(static_cast<index_t>(p / wide) - 1), along(static_cast<index_t>(p % wide) - 1);
    Quad sum{};
    for (index_t i = 0; i <= down.two; ++i)
      for (index_t j = 0; j <= along.two; ++j) sum += coarse.value[parent(down.first + i, along.first + j)];
    grid.value[p] += sum * (down.weight * along.weight);
  }
  smooth(false);
}

void GridSolver::solve(const std::vector<index_t>& open, double goal) {
  if (open.empty()) return;
  Grid& grid = grids_.front();
  const Constant weights{static_cast<std::size_t>(grid.wide)};
  for (const std::size_t p : grid.open) {  // of the time before
    grid.inverse[p] = 0.0;
    grid.value[p] = search_[p] = Quad{};
  }
  grid.open.clear();
  for (const index_t pixel : open) {
    const std::size_t p = place(pixel);
    grid.open.push_back(p);
    grid.diagonal[p] = weight_[static_cast<std::size_t>(pixel)];
    grid.inverse[p] = 1.0 / grid.diagonal[p];
  }
  used_ = 1;
  while (used_ < grids_.size() && grids_[used_ - 1].open.size() > few) {
    coarsen(used_ - 1);
    // Coarse unknowns of the time before hold values, and what is no longer unknown must be zero.
    std::fill(grids_[used_].value.begin(), grids_[used_].value.end(), Quad{});
    ++used_;
  }
  for (const std::size_t p : grid.open) {
    Quad rest = -grid.diagonal[p] * solution_[p];
    weights.add(solution_.data(), p, rest);
    residual_[p] = rest;
  }
  const auto precondition = [&](Quad& rho) {
    for (const std::size_t p : grid.open) grid.right[p] = residual_[p];
    cycle(0);
    rho = Quad{};
    for (const std::size_t p : grid.open) rho += residual_[p] * grid.value[p];
  };
  const double enough = goal * static_cast<double>(open.size());
  Quad rho;
  precondition(rho);
  for (int lane = 0; lane < lanes; ++lane)
    if (!std::isfinite(rho[lane])) {  // something known is not: this lane keeps its guess
      rho[lane] = 0.0;
      for (const std::size_t p : grid.open) residual_[p][lane] = grid.value[p][lane] = 0.0;
    }
  for (const std::size_t p : grid.open) search_[p] = grid.value[p];
  const auto most = static_cast<index_t>(100 + 4 * open.size());
  for (index_t step = 0; step < most; ++step) {
    bool goes_on = false;
    for (int lane = 0; lane < lanes; ++lane) goes_on |= rho[lane] > enough;
    if (!goes_on) return;
    Quad curvature{};
    for (const std::size_t p : grid.open) {
      Quad sum{};
      weights.add(search_.data(), p, sum);
      image_[p] = grid.diagonal[p] * search_[p] - sum;
      curvature += image_[p] * search_[p];
    }
    Quad length{};
    for (int lane = 0; lane < lanes; ++lane)
      if (rho[lane] > enough && curvature[lane] > 0.0) length[lane] = rho[lane] / curvature[lane];
    for (const std::size_t p : grid.open) {
      solution_[p] += length * search_[p];
      residual_[p] -= length * image_[p];
    }
    Quad next, turn{};
    precondition(next);
    for (int lane = 0; lane < lanes; ++lane)
      if (rho[lane] > enough) turn[lane] = next[lane] / rho[lane];
    for (const std::size_t p : grid.open) search_[p] = grid.value[p] + turn * search_[p];
    rho = next;
  }
}

}  // namespace xaijax
