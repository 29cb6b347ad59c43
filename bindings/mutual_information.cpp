#include "xaijax/mutual_information.hpp"

#include <algorithm>
#include <vector>

#include "ffi.hpp"
#include "numpy.hpp"

namespace xaijax::bindings {

namespace {

// Results that share a reference, at most `limit` together: what is prepared for the reference is prepared once.
struct Group {
  index_t reference;
  Items results;
};

std::vector<Group> group_by(const Items& reference_of, index_t limit) {
  Items order = each_its_own(static_cast<index_t>(reference_of.size()));
  std::stable_sort(order.begin(), order.end(),
                   [&](index_t a, index_t b) { return at(reference_of, a) < at(reference_of, b); });
  std::vector<Group> groups;
  for (const index_t i : order) {
    const bool opens = groups.empty() || groups.back().reference != at(reference_of, i) ||
                       static_cast<index_t>(groups.back().results.size()) >= limit;
    if (opens) groups.push_back({at(reference_of, i), {}});
    groups.back().results.push_back(i);
  }
  return groups;
}

void mutual_information_of(const Operand& images, const Operand& references, int bins, const Operand& bits,
                           index_t num_threads, const Loop& loop) {
  require(images.ends_like(references, 3) && images.dtype == references.dtype,
          "images and references must be [..., H, W, C] of one size and one dtype");
  require(bits.is_real(), "bits must be float32 or float64");
  const Items image_of = broadcast(images.leading(3), bits.shape);
  // Few enough results in a group that every thread gets several groups.
  const index_t limit = std::clamp<index_t>(bits.size() / (4 * std::max<index_t>(num_threads, 1)), 1, 16);
  const std::vector<Group> groups = group_by(broadcast(references.leading(3), bits.shape), limit);
  for_image_type(images, [&](auto zero) {
    using T = decltype(zero);
    loop(static_cast<index_t>(groups.size()), [&](index_t g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      const BinnedReference<T> reference(references.image<T>(group.reference), bins);
      for (const index_t i : group.results)
        bits.store(i, reference.mutual_information(images.image<T>(at(image_of, i))));
    });
  });
}

}  // namespace

void bind_mutual_information(py::module_& m) {
  m.def(
      "mutual_information",
      [](const py::array& images, const py::array& references, int bins, const std::vector<index_t>& batch,
         int num_threads) {
        py::array_t<double> bits(batch);
        const Operand given = operand(images), compared = operand(references), result = operand(bits);
        {
          const py::gil_scoped_release release;
          mutual_information_of(given, compared, bins, result, num_threads, threads(num_threads));
        }
        return bits;
      },
      py::arg("images"), py::arg("references"), py::arg("bins"), py::arg("batch"), py::arg("num_threads"));
}

static ffi::Error mutual_information_ffi(ffi::ThreadPool pool, ffi::AnyBuffer images, ffi::AnyBuffer references,
                                         ffi::Result<ffi::AnyBuffer> bits, std::int64_t bins) {
  return guarded([&] {
    mutual_information_of(operand(images), operand(references), static_cast<int>(bins), operand(*bits),
                          pool.num_threads(), pool_loop(pool));
  });
}

}  // namespace xaijax::bindings

XLA_FFI_DEFINE_HANDLER_SYMBOL(ffi_mutual_information, xaijax::bindings::mutual_information_ffi,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Attr<std::int64_t>("bins"));
