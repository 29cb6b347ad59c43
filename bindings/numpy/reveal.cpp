#include "xaijax/reveal.hpp"

#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

std::vector<index_t> items(const Array<std::int64_t>& owners) {
  return {owners.data(), owners.data() + owners.size()};
}

// [items, n_levels, H, W, C]: the Python face gives the leading axes their shape.
template <class T>
py::array_t<T> reveal_items(const Array<T>& images, const Array<std::uint16_t>& levels, const Array<T>& backgrounds,
                            const Array<std::int64_t>& image_of, const Array<std::int64_t>& level_of,
                            const Array<std::int64_t>& background_of, index_t n_levels, bool deletion, int fill,
                            double sigma, double noise, std::uint64_t seed, int num_threads) {
  RevealBatch<T> batch;
  batch.images = image_at(images, 0);
  batch.levels = {levels.data(), batch.images.height, batch.images.width, n_levels, deletion};
  batch.backgrounds = image_at(backgrounds, 0);
  batch.image_of = items(image_of);
  batch.level_of = items(level_of);
  batch.background_of = items(background_of);
  py::array_t<T> out({static_cast<index_t>(image_of.size()), n_levels, batch.images.height, batch.images.width,
                      batch.images.channels});
  batch.out = out.mutable_data();
  const RevealOptions options{static_cast<Fill>(fill), sigma, noise, seed};
  const py::gil_scoped_release release;
  reveal_batch(batch, options,
               [num_threads](index_t count, const auto& task) { parallel_for(count, num_threads, task); });
  return out;
}

template <class T>
void bind_for(py::module_& m) {
  m.def("reveal", &reveal_items<T>, py::arg("images").noconvert(), py::arg("levels").noconvert(),
        py::arg("backgrounds").noconvert(), py::arg("image_of").noconvert(), py::arg("level_of").noconvert(),
        py::arg("background_of").noconvert(), py::arg("n_levels"), py::arg("deletion"), py::arg("fill"),
        py::arg("sigma"), py::arg("noise"), py::arg("seed"), py::arg("num_threads"));
}

}  // namespace

void bind_reveal(py::module_& m) {
  bind_for<std::uint8_t>(m);
  bind_for<std::uint16_t>(m);
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
