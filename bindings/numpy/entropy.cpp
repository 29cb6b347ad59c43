#include "xaijax/entropy.hpp"

#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

template <class T>
py::array_t<double> histogram_entropy_batch(const Array<T>& images, int bins, bool from_image, double low, double high,
                                            int num_threads) {
  py::array_t<double> bits(leading_shape(images, 3));
  double* out = bits.mutable_data();
  const index_t count = leading(images, 3);
  const py::gil_scoped_release release;
  parallel_for(count, num_threads,
               [&](index_t i) { out[i] = histogram_entropy(image_at(images, i), bins, {from_image, low, high}); });
  return bits;
}

template <class T>
void bind_for(py::module_& m) {
  m.def("histogram_entropy", &histogram_entropy_batch<T>, py::arg("images").noconvert(), py::arg("bins"),
        py::arg("from_image"), py::arg("low"), py::arg("high"), py::arg("num_threads"));
}

}  // namespace

void bind_entropy(py::module_& m) {
  bind_for<std::uint8_t>(m);
  bind_for<std::uint16_t>(m);
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
