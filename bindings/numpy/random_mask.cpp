#include "xaijax/random_mask.hpp"

#include "numpy/bind.hpp"

namespace xaijax::bindings {

void bind_random_mask(py::module_& m) {
  m.def(
      "random_mask",
      [](index_t height, index_t width, index_t count, std::uint64_t seed) {
        py::array_t<bool> mask({height, width});
        bool* out = mask.mutable_data();
        const py::gil_scoped_release release;
        random_mask(height * width, count, seed, out);
        return mask;
      },
      py::arg("height"), py::arg("width"), py::arg("count"), py::arg("seed"));
}

}  // namespace xaijax::bindings
