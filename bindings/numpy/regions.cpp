#include "xaijax/regions.hpp"

#include <optional>

#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

// masks is [S, H, W] for all attributions, or [N, S, H, W] with one set for each of the N.
template <class T>
py::tuple rank_regions_batch(const Array<T>& attribution, const Array<std::uint8_t>& masks, index_t dilate, bool fast,
                             index_t min_pixels, double area, int num_threads) {
  const auto n = attribution.ndim(), m = masks.ndim();
  if (n < 2 || (m != 3 && m != 4)) throw std::invalid_argument("attribution must be [..., H, W], masks [(N,) S, H, W]");
  const index_t height = attribution.shape(n - 2), width = attribution.shape(n - 1), pixels = height * width;
  const index_t count = leading(attribution, 2), per_set = masks.shape(m - 3);
  if (masks.shape(m - 2) != height || masks.shape(m - 1) != width || (m == 4 && masks.shape(0) != count))
    throw std::invalid_argument("masks must match attribution");
  py::array_t<double> maps(leading_shape(attribution, 0));
  py::array_t<std::int32_t> ranks(leading_shape(attribution, 0));
  double* const map = maps.mutable_data();
  std::int32_t* const rank = ranks.mutable_data();
  const T* const value = attribution.data();
  const std::uint8_t* const mask = masks.data();
  {
    const py::gil_scoped_release release;
    std::optional<Regions> shared;
    if (m == 3) shared.emplace(mask, per_set, height, width, dilate);
    parallel_for(count, num_threads, [&](index_t i) {
      const RegionOptions options{fast, min_pixels, area};
      if (shared)
        shared->rank(value + i * pixels, options, map + i * pixels, rank + i * pixels);
      else
        Regions(mask + i * per_set * pixels, per_set, height, width, dilate)
            .rank(value + i * pixels, options, map + i * pixels, rank + i * pixels);
    });
  }
  return py::make_tuple(maps, ranks);
}

template <class T>
void bind_for(py::module_& m) {
  m.def("rank_regions", &rank_regions_batch<T>, py::arg("attribution").noconvert(), py::arg("masks").noconvert(),
        py::arg("dilate"), py::arg("fast"), py::arg("min_pixels"), py::arg("area"), py::arg("num_threads"));
}

}  // namespace

void bind_regions(py::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
