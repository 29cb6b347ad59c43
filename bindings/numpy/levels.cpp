#include "xaijax/levels.hpp"

#include <atomic>
#include <optional>
#include <utility>

#include "operand_items.hpp"
#include "numpy/bind.hpp"

namespace xaijax::bindings {

namespace {

// The levels and the number of the first map that holds NaN, -1 where none does.
template <class T>
std::pair<py::array_t<std::uint16_t>, index_t> reveal_levels_batch(const Array<T>& maps, const std::vector<double>& fractions,
                                               const std::optional<Array<bool>>& always, int num_threads) {
  const auto n = maps.ndim();
  if (n < 2) throw std::invalid_argument("maps must be [..., H, W]");
  py::array_t<std::uint16_t> levels(std::vector<py::ssize_t>(maps.shape(), maps.shape() + n));
  std::uint16_t* out = levels.mutable_data();
  const MapView<const T> first{maps.data(), maps.shape(n - 2), maps.shape(n - 1)};
  const bool* known = always ? always->data() : nullptr;
  const auto batch = leading_axes(maps, 2);
  const auto known_item = always ? operand_items(leading_axes(*always, 2), batch) : std::vector<index_t>();
  const index_t count = leading(maps, 2);
  std::atomic<index_t> with_nan{count};
  const py::gil_scoped_release release;
  parallel_for(count, num_threads, [&](index_t i) {
    auto map = first;
    map.data += i * first.size();
    const bool* const mask = known ? known + known_item[static_cast<std::size_t>(i)] * first.size() : nullptr;
    if (reveal_levels(map, fractions, mask, out + i * first.size())) return;
    for (index_t found = with_nan; i < found && !with_nan.compare_exchange_weak(found, i);) continue;
  });
  return {std::move(levels), with_nan < count ? with_nan.load() : -1};
}

template <class T>
void bind_for(py::module_& m) {
  m.def("reveal_levels", &reveal_levels_batch<T>, py::arg("maps").noconvert(), py::arg("fractions"),
        py::arg("always").none(true).noconvert(), py::arg("num_threads"));
}

}  // namespace

void bind_levels(py::module_& m) {
  bind_for<float>(m);
  bind_for<double>(m);
}

}  // namespace xaijax::bindings
