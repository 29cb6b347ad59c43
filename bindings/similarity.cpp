#include "xaijax/similarity.hpp"

#include "ffi.hpp"
#include "numpy.hpp"

namespace xaijax::bindings {

static index_t columns_of(const SimilarityOptions& options) {
  index_t columns = 0;
  for (int s = 0; s < kSimilarities; ++s) columns += options.wants(static_cast<Similarity>(s));
  return columns;
}

// Pair i is map a_of[i] of a and map b_of[i] of b; measures is [pairs, wanted measures].
static void similarity_of(const Operand& a, const Items& a_of, const Operand& b, const Items& b_of,
                          const SimilarityOptions& options, const Operand& measures, const Loop& loop) {
  const index_t columns = columns_of(options), pairs = measures.items(1);
  require(a.ends_like(b, 2) && a.dtype == b.dtype, "a and b must be [..., H, W] of one size and one dtype");
  require(measures.is_real() && measures.axis(1) == columns,
          "measures must be float32 or float64 [..., number of wanted measures]");
  require(static_cast<index_t>(a_of.size()) == pairs && static_cast<index_t>(b_of.size()) == pairs,
          "a and b must have one map for each pair");
  for_map_type(a, [&](auto zero) {
    using T = decltype(zero);
    loop(pairs, [&](index_t i) {
      double row[kSimilarities];
      similarity(a.map<T>(at(a_of, i)), b.map<T>(at(b_of, i)).data, options, row);
      for (index_t c = 0; c < columns; ++c) measures.store(i * columns + c, row[c]);
    });
  });
}

void bind_similarity(py::module_& m) {
  m.def(
      "similarity",
      [](const py::array& a, const py::array& b, const py::array& a_of, const py::array& b_of, std::uint32_t wanted,
         double percent, int num_threads) {
        const SimilarityOptions options{wanted, percent};
        const Operand left = operand(a), right = operand(b);
        const Items left_of = items_of(a_of, left.items(2)), right_of = items_of(b_of, right.items(2));
        py::array_t<double> measures({static_cast<index_t>(left_of.size()), columns_of(options)});
        const Operand result = operand(measures);
        {
          const py::gil_scoped_release release;
          similarity_of(left, left_of, right, right_of, options, result, threads(num_threads));
        }
        return measures;
      },
      py::arg("a"), py::arg("b"), py::arg("a_of"), py::arg("b_of"), py::arg("wanted"), py::arg("percent"),
      py::arg("num_threads"));
}

static ffi::Error similarity_ffi(ffi::ThreadPool pool, ffi::AnyBuffer a, ffi::AnyBuffer b,
                                 ffi::Result<ffi::AnyBuffer> measures, std::int64_t wanted, double percent) {
  return guarded([&] {
    const SimilarityOptions options{static_cast<std::uint32_t>(wanted), percent};
    const Operand left = operand(a), right = operand(b), result = operand(*measures);
    const auto batch = result.leading(1);
    similarity_of(left, broadcast(left.leading(2), batch), right, broadcast(right.leading(2), batch), options, result,
                  pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_similarity, xaijax::bindings::similarity_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("wanted")
                                  .Attr<double>("percent"));
