#include "xaijax/similarity.hpp"

#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

// Pair i is map a_of[i] of a and map b_of[i] of b; the result is [pairs, measures].
template <class T>
py::array_t<double> similarity_batch(const Array<T>& a, const Array<T>& b, const Array<std::int64_t>& a_of,
                                     const Array<std::int64_t>& b_of, std::uint32_t wanted, double percent,
                                     int num_threads) {
  const auto n = a.ndim(), m = b.ndim();
  if (n < 2 || m < 2 || a.shape(n - 2) != b.shape(m - 2) || a.shape(n - 1) != b.shape(m - 1))
    throw std::invalid_argument("a and b must be [..., H, W]");
  const MapView<const T> first{a.data(), a.shape(n - 2), a.shape(n - 1)};
  const index_t pairs = a_of.size(), a_count = leading(a, 2), b_count = leading(b, 2);
  if (b_of.size() != pairs) throw std::invalid_argument("a_of and b_of must have one entry for each pair");
  for (index_t i = 0; i < pairs; ++i)
    if (a_of.data()[i] < 0 || a_of.data()[i] >= a_count || b_of.data()[i] < 0 || b_of.data()[i] >= b_count)
      throw std::invalid_argument("a_of or b_of out of range");
  const SimilarityOptions options{wanted, percent};
  index_t columns = 0;
  for (int s = 0; s < kSimilarities; ++s) columns += options.wants(static_cast<Similarity>(s));
  py::array_t<double> result({pairs, columns});
  double* const out = result.mutable_data();
  const T* const other = b.data();
  const std::int64_t *const a_index = a_of.data(), *const b_index = b_of.data();
  {
    const py::gil_scoped_release release;
    parallel_for(pairs, num_threads, [&](index_t i) {
      auto map = first;
      map.data += a_index[i] * first.size();
      similarity(map, other + b_index[i] * first.size(), options, out + i * columns);
    });
  }
  return result;
}

template <class T>
void bind_for(py::module_& m) {
  m.def("similarity", &similarity_batch<T>, py::arg("a").noconvert(), py::arg("b").noconvert(),
        py::arg("a_of").noconvert(), py::arg("b_of").noconvert(), py::arg("wanted"), py::arg("percent"),
        py::arg("num_threads"));
}

}  // namespace

void bind_similarity(py::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
