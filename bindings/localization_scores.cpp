#include "ffi.hpp"
#include "numpy.hpp"
#include "xaijax/localization.hpp"

namespace xaijax::bindings {

static index_t columns_of(const LocalizationOptions& options) {
  index_t columns = 0;
  for (int s = 0; s < kLocalizationScores; ++s) columns += options.wants(static_cast<LocalizationScore>(s));
  return columns;
}

// Item i is map map_of[i] and mask mask_of[i]; scores and reasons are [items, wanted scores].
static void localization_scores_of(const Operand& maps, const Items& map_of, const Operand& masks, const Items& mask_of,
                                   const LocalizationOptions& options, const Operand& scores, const Operand& reasons,
                                   const Loop& loop) {
  const index_t columns = columns_of(options), count = scores.items(1);
  require(masks.is_mask() && masks.ends_like(maps, 2), "masks must be bool or uint8 [..., H, W] like maps");
  require(
      scores.is_real() && scores.axis(1) == columns && reasons.dtype == DType::uint8 && reasons.size() == scores.size(),
      "scores must be float32 or float64, reasons uint8, both [..., number of wanted scores]");
  require(static_cast<index_t>(map_of.size()) == count && static_cast<index_t>(mask_of.size()) == count,
          "maps and masks must have the leading axes of scores, or ones");
  for_map_type(maps, [&](auto zero) {
    using T = decltype(zero);
    loop(count, [&](index_t i) {
      double row[kLocalizationScores];
      localization_scores(maps.map<T>(at(map_of, i)), masks.map<std::uint8_t>(at(mask_of, i)).data, options, row,
                          reasons.as<ScoreReason>() + i * columns);
      for (index_t c = 0; c < columns; ++c) scores.store(i * columns + c, row[c]);
    });
  });
}

void bind_localization_scores(py::module_& m) {
  m.def(
      "localization_scores",
      [](const py::array& maps, const py::array& masks, const py::array& mask_of, std::uint32_t wanted, bool relu,
         double threshold, double percent, double tolerance, int num_threads) {
        const LocalizationOptions options{wanted, relu, threshold, percent, tolerance};
        const Operand given = operand(maps), inside = operand(masks);
        const Items mask_items = items_of(mask_of, inside.items(2));
        auto shape = given.leading(2);
        shape.push_back(columns_of(options));
        py::array_t<double> scores(shape);
        py::array_t<std::uint8_t> reasons(shape);
        const Operand result = operand(scores), why = operand(reasons);
        {
          const py::gil_scoped_release release;
          localization_scores_of(given, each_its_own(given.items(2)), inside, mask_items, options, result, why,
                                 threads(num_threads));
        }
        return py::make_tuple(scores, reasons);
      },
      py::arg("maps"), py::arg("masks"), py::arg("mask_of"), py::arg("wanted"), py::arg("relu"), py::arg("threshold"),
      py::arg("percent"), py::arg("tolerance"), py::arg("num_threads"));
}

static ffi::Error localization_scores_ffi(ffi::ThreadPool pool, ffi::AnyBuffer maps, ffi::AnyBuffer masks,
                                          ffi::Result<ffi::AnyBuffer> scores, ffi::Result<ffi::AnyBuffer> reasons,
                                          std::int64_t wanted, bool relu, double threshold, double percent,
                                          double tolerance) {
  return guarded([&] {
    const LocalizationOptions options{static_cast<std::uint32_t>(wanted), relu, threshold, percent, tolerance};
    const Operand given = operand(maps), inside = operand(masks), result = operand(*scores);
    const auto batch = result.leading(1);
    localization_scores_of(given, broadcast(given.leading(2), batch), inside, broadcast(inside.leading(2), batch),
                           options, result, operand(*reasons), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_localization_scores, xaijax::bindings::localization_scores_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("wanted")
                                  .Attr<bool>("relu")
                                  .Attr<double>("threshold")
                                  .Attr<double>("percent")
                                  .Attr<double>("tolerance"));
