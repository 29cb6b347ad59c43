// The weight of the prior from data, for a given slab.
#pragma once

#include "xaijax/ebayes_prior.hpp"
#include "xaijax/views.hpp"

namespace xaijax {

// The weight of the largest marginal likelihood of absolute values in units of the noise.
double weight_from_data(const Slab& slab, const double* sizes, index_t count, bool universal_floor);

}  // namespace xaijax
