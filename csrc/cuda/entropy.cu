#include "cuda/entropy.cuh"

namespace xaijax::cuda {

template <class T, class Real>
const char* histogram_entropy(Stream stream, const T* images, index_t count, index_t size, int bins, BinRange range,
                              Real* bits) {
  if (count == 0) return nullptr;
  const std::size_t shared = entropy_shared<T>(bins);
  if (shared > kDynamicShared) return "too many bins for the CUDA kernel (at most 4095)";
  const auto blocks = static_cast<unsigned>(count < 65535 ? count : 65535);
  entropy_kernel<T, Real><<<blocks, kBlock, shared, stream>>>(images, count, size, bins, range, bits);
  return launch_status();
}

#define XAIJAX_INSTANTIATE(T)                                                                        \
  template const char* histogram_entropy(Stream, const T*, index_t, index_t, int, BinRange, float*); \
  template const char* histogram_entropy(Stream, const T*, index_t, index_t, int, BinRange, double*);
XAIJAX_INSTANTIATE(std::uint8_t)
XAIJAX_INSTANTIATE(std::uint16_t)
XAIJAX_INSTANTIATE(float)
XAIJAX_INSTANTIATE(double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax::cuda
