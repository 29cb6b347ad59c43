#include "xaijax/mutual_information.hpp"

#include "operand_items.hpp"
#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

template <class T>
py::array_t<double> mutual_information_batch(const Array<T>& images, const Array<T>& references, int bins,
                                             const std::vector<index_t>& batch, int num_threads) {
  py::array_t<double> bits(std::vector<py::ssize_t>(batch.begin(), batch.end()));
  double* out = bits.mutable_data();
  const auto image_item = operand_items(leading_axes(images, 3), batch);
  const auto reference_item = operand_items(leading_axes(references, 3), batch);
  const auto groups =
      group_by_item(reference_item, group_limit(static_cast<index_t>(reference_item.size()), num_threads));
  const py::gil_scoped_release release;
  parallel_for(static_cast<index_t>(groups.size()), num_threads, [&](index_t g) {
    const Group& group = groups[static_cast<std::size_t>(g)];
    const BinnedReference<T> reference(image_at(references, group.item), bins);
    for (const index_t i : group.results)
      out[i] = reference.mutual_information(image_at(images, image_item[static_cast<std::size_t>(i)]));
  });
  return bits;
}

template <class T>
void bind_for(py::module_& m) {
  m.def("mutual_information", &mutual_information_batch<T>, py::arg("images").noconvert(),
        py::arg("references").noconvert(), py::arg("bins"), py::arg("batch"), py::arg("num_threads"));
}

}  // namespace

void bind_mutual_information(py::module_& m) {
  bind_for<std::uint8_t>(m);
  bind_for<std::uint16_t>(m);
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
