#include "xaijax/localization.hpp"

#include <algorithm>

#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

// mask_of[i] is the number of the mask that map i is held against.
template <class T>
py::tuple localization_batch(const Array<T>& maps, const Array<std::uint8_t>& masks, const Array<std::int64_t>& mask_of,
                             std::uint32_t wanted, bool relu, double threshold, double percent, double tolerance,
                             int num_threads) {
  if (maps.ndim() < 2 || masks.ndim() < 2) throw std::invalid_argument("maps and masks must be [..., H, W]");
  const MapView<const T> first{maps.data(), maps.shape(maps.ndim() - 2), maps.shape(maps.ndim() - 1)};
  const index_t count = leading(maps, 2), masks_given = leading(masks, 2);
  if (masks.shape(masks.ndim() - 2) != first.height || masks.shape(masks.ndim() - 1) != first.width ||
      mask_of.size() != count)
    throw std::invalid_argument("masks must match maps");
  for (index_t i = 0; i < count; ++i)
    if (mask_of.data()[i] < 0 || mask_of.data()[i] >= masks_given) throw std::invalid_argument("mask_of out of range");

  const LocalizationOptions options{wanted, relu, threshold, percent, tolerance};
  index_t columns = 0;
  for (int s = 0; s < kLocalizationScores; ++s) columns += options.wants(static_cast<LocalizationScore>(s));
  auto shape = leading_shape(maps, 2);
  shape.push_back(columns);
  py::array_t<double> scores(shape);
  py::array_t<std::uint8_t> reasons(shape);
  double* const out = scores.mutable_data();
  auto* const why = reinterpret_cast<ScoreReason*>(reasons.mutable_data());
  const std::int64_t* const mask_index = mask_of.data();
  const std::uint8_t* const mask_data = masks.data();
  {
    const py::gil_scoped_release release;
    parallel_for(count, num_threads, [&](index_t i) {
      auto map = first;
      map.data += i * first.size();
      localization_scores(map, mask_data + mask_index[i] * first.size(), options, out + i * columns, why + i * columns);
    });
  }
  return py::make_tuple(scores, reasons);
}

template <class T>
void bind_for(py::module_& m) {
  m.def("localization_scores", &localization_batch<T>, py::arg("maps").noconvert(), py::arg("masks").noconvert(),
        py::arg("mask_of").noconvert(), py::arg("wanted"), py::arg("relu"), py::arg("threshold"), py::arg("percent"),
        py::arg("tolerance"), py::arg("num_threads"));
}

}  // namespace

void bind_localization(py::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
