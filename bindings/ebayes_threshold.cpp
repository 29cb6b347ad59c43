#include <functional>
#include <stdexcept>
#include <string>

#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/ebayes.hpp"

namespace xaijax::bindings {

// estimates: sd, w, a and threshold of each map.
static void ebayes_threshold_of(const Operand& maps, const EbayesOptions& options, const Operand& out,
                                const Operand& estimates, const Operand& reasons, const Loop& loop) {
  require(out.shape == maps.shape && out.dtype == maps.dtype, "maps and result must be alike: [..., H, W]");
  const index_t count = maps.items(2), pixels = maps.axis(1) * maps.axis(2);
  require(estimates.is_real() && estimates.size() == 4 * count, "estimates must be [..., 4] float32 or float64");
  require(reasons.dtype == DType::uint8 && reasons.size() == count, "reasons must be [...] uint8");
  const Ebayes ebayes(options);
  for_map_type(maps, [&](auto zero) {
    using T = decltype(zero);
    loop(count, [&](index_t i) {
      const EbayesFit fit = ebayes(maps.map<T>(i), out.as<T>() + i * pixels);
      estimates.store(4 * i, fit.sd);
      estimates.store(4 * i + 1, fit.w);
      estimates.store(4 * i + 2, fit.a);
      estimates.store(4 * i + 3, fit.threshold);
      reasons.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(fit.reason);
    });
  });
}

static EbayesOptions ebayes_options(std::int64_t prior, double a, bool fit_scale, double sd, std::int64_t rule,
                                    bool universal_floor) {
  return {{static_cast<Prior>(prior), a}, fit_scale, sd, static_cast<ThresholdRule>(rule), universal_floor};
}

// One of the functions of the model at each x (a value, a threshold or a weight, by name), for the tests.
static py::array_t<double> ebayes_function(const std::string& name, const py::array& x, int prior, double a, double w) {
  const Slab slab{static_cast<Prior>(prior), a};
  std::function<double(double)> f;
  if (name == "beta")
    f = [&](double v) { return slab_beta(slab, v); };
  else if (name == "mean")
    f = [&](double v) { return posterior_mean(slab, w, v); };
  else if (name == "median")
    f = [&](double v) { return posterior_median(slab, w, v); };
  else if (name == "threshold_from_weight")
    f = [&](double v) { return threshold_from_weight(slab, v); };
  else if (name == "weight_from_threshold")
    f = [&](double v) { return weight_from_threshold(slab, v); };
  else if (name == "bayes_factor_threshold")
    f = [&](double v) { return bayes_factor_threshold(slab, v); };
  else
    throw std::invalid_argument("no such function: " + name);
  const Operand given = operand(x);
  require(given.dtype == DType::float64, "x must be float64");
  py::array_t<double> result(given.shape);
  double* const out = result.mutable_data();
  for (index_t i = 0; i < given.size(); ++i) out[i] = f(given.as<double>()[i]);
  return result;
}

void bind_ebayes_threshold(py::module_& m) {
  m.def(
      "ebayes_threshold",
      [](const py::array& maps, int prior, double a, bool fit_scale, double sd, int rule, bool universal_floor,
         int num_threads) {
        const Operand given = operand(maps);
        py::array out(maps.dtype(), given.shape);
        auto shape = given.leading(2);
        py::array_t<std::uint8_t> reasons(shape);
        shape.push_back(4);
        py::array_t<double> estimates(shape);
        const Operand result = operand(out), found = operand(estimates), why = operand(reasons);
        {
          const py::gil_scoped_release release;
          ebayes_threshold_of(given, ebayes_options(prior, a, fit_scale, sd, rule, universal_floor), result, found, why,
                              threads(num_threads));
        }
        return py::make_tuple(out, estimates, reasons);
      },
      py::arg("maps"), py::arg("prior"), py::arg("a"), py::arg("fit_scale"), py::arg("sd"), py::arg("rule"),
      py::arg("universal_floor"), py::arg("num_threads"));
  m.def("ebayes_function", &ebayes_function, py::arg("name"), py::arg("x"), py::arg("prior"), py::arg("a"),
        py::arg("w"));
}

static ffi::Error ebayes_threshold_ffi(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::Result<ffi::AnyBuffer> out,
                                       ffi::Result<ffi::AnyBuffer> estimates, ffi::Result<ffi::AnyBuffer> reasons,
                                       std::int64_t prior, double a, bool fit_scale, double sd, std::int64_t rule,
                                       bool universal_floor) {
  return guarded([&] {
    ebayes_threshold_of(operand(maps), ebayes_options(prior, a, fit_scale, sd, rule, universal_floor), operand(*out),
                        operand(*estimates), operand(*reasons), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_ebayes_threshold, xaijax::bindings::ebayes_threshold_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("prior")
                                  .Attr<double>("a")
                                  .Attr<bool>("fit_scale")
                                  .Attr<double>("sd")
                                  .Attr<std::int64_t>("rule")
                                  .Attr<bool>("universal_floor"));
