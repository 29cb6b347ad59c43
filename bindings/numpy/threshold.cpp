#include <string>

#include "numpy/bind.hpp"
#include "xaijax/ebayes.hpp"
#include "xaijax/top_k.hpp"

namespace xaijax::bindings {

namespace {

template <class T>
MapView<const T> first_map(const Array<T>& maps) {
  if (maps.ndim() < 2) throw std::invalid_argument("maps must be [..., H, W]");
  return {maps.data(), maps.shape(maps.ndim() - 2), maps.shape(maps.ndim() - 1)};
}

// The thresholded maps, and 1 for each map that held NaN.
template <class T>
py::tuple top_k_batch(const Array<T>& maps, double percent, int num_threads) {
  const MapView<const T> first = first_map(maps);
  py::array_t<T> result(leading_shape(maps, 0));
  py::array_t<std::uint8_t> broken(leading_shape(maps, 2));
  T* const out = result.mutable_data();
  std::uint8_t* const bad = broken.mutable_data();
  const index_t count = leading(maps, 2);
  {
    const py::gil_scoped_release release;
    parallel_for(count, num_threads, [&](index_t i) {
      auto map = first;
      map.data += i * first.size();
      bad[i] = !top_k_threshold(map, percent, out + i * first.size());
    });
  }
  return py::make_tuple(result, broken);
}

EbayesOptions ebayes_options(int prior, double a, bool fit_scale, double sd, int rule, bool universal_floor) {
  return {{static_cast<Prior>(prior), a}, fit_scale, sd, static_cast<ThresholdRule>(rule), universal_floor};
}

// The thresholded maps; sd, w, a and threshold of each; a reason code for each.
template <class T>
py::tuple ebayes_batch(const Array<T>& maps, int prior, double a, bool fit_scale, double sd, int rule,
                       bool universal_floor, int num_threads) {
  const MapView<const T> first = first_map(maps);
  py::array_t<T> result(leading_shape(maps, 0));
  auto shape = leading_shape(maps, 2);
  py::array_t<std::uint8_t> reasons(shape);
  shape.push_back(4);
  py::array_t<double> estimates(shape);
  T* const out = result.mutable_data();
  double* const estimate = estimates.mutable_data();
  std::uint8_t* const reason = reasons.mutable_data();
  const index_t count = leading(maps, 2);
  {
    const py::gil_scoped_release release;
    const Ebayes ebayes(ebayes_options(prior, a, fit_scale, sd, rule, universal_floor));
    parallel_for(count, num_threads, [&](index_t i) {
      auto map = first;
      map.data += i * first.size();
      const EbayesFit fit = ebayes(map, out + i * first.size());
      double* const row = estimate + 4 * i;
      row[0] = fit.sd, row[1] = fit.w, row[2] = fit.a, row[3] = fit.threshold;
      reason[i] = static_cast<std::uint8_t>(fit.reason);
    });
  }
  return py::make_tuple(result, estimates, reasons);
}

// One of the functions of the model at each x (a value, a threshold or a weight, by name), for the tests.
py::array_t<double> ebayes_function(const std::string& name, const Array<double>& x, int prior, double a, double w) {
  const Slab slab{static_cast<Prior>(prior), a};
  py::array_t<double> result(leading_shape(x, 0));
  const auto apply = [&](const auto& f) {
    for (index_t i = 0; i < x.size(); ++i) result.mutable_data()[i] = f(x.data()[i]);
  };
  if (name == "beta")
    apply([&](double v) { return slab_beta(slab, v); });
  else if (name == "mean")
    apply([&](double v) { return posterior_mean(slab, w, v); });
  else if (name == "median")
    apply([&](double v) { return posterior_median(slab, w, v); });
  else if (name == "threshold_from_weight")
    apply([&](double v) { return threshold_from_weight(slab, v); });
  else if (name == "weight_from_threshold")
    apply([&](double v) { return weight_from_threshold(slab, v); });
  else if (name == "bayes_factor_threshold")
    apply([&](double v) { return bayes_factor_threshold(slab, v); });
  else
    throw std::invalid_argument("no such function: " + name);
  return result;
}

template <class T>
void bind_for(py::module_& m) {
  m.def("top_k_threshold", &top_k_batch<T>, py::arg("maps").noconvert(), py::arg("percent"), py::arg("num_threads"));
  m.def("ebayes_threshold", &ebayes_batch<T>, py::arg("maps").noconvert(), py::arg("prior"), py::arg("a"),
        py::arg("fit_scale"), py::arg("sd"), py::arg("rule"), py::arg("universal_floor"), py::arg("num_threads"));
}

}  // namespace

void bind_threshold(py::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
  m.def("ebayes_function", &ebayes_function, py::arg("name"), py::arg("x").noconvert(), py::arg("prior"),
        py::arg("a"), py::arg("w"));
}

}  // namespace xaijax::bindings
