#include "cuda/mutual_information.cuh"

namespace xaijax::cuda {

template <class T, class Real>
const char* mutual_information(Stream stream, const T* images, Broadcast image_of, const T* references,
                               Broadcast reference_of, index_t count, index_t pixels, index_t channels, int bins,
                               Real* bits) {
  if (count == 0) return nullptr;
  const std::size_t shared = joint_shared<T>(bins);
  // Static shared memory of the block's reductions comes on top.
  if (shared > kDynamicShared - (8 << 10)) return "too many bins for the CUDA kernel (at most 96)";
  const auto blocks = static_cast<unsigned>(count < 65535 ? count : 65535);
  mutual_information_kernel<T, Real><<<blocks, kBlock, shared, stream>>>(images, image_of, references, reference_of,
                                                                         count, pixels, channels, bins, bits);
  return launch_status();
}

#define XAIJAX_INSTANTIATE(T, Real)                                                                                    \
  template const char* mutual_information(Stream, const T*, Broadcast, const T*, Broadcast, index_t, index_t, index_t, \
                                          int, Real*);
XAIJAX_INSTANTIATE(std::uint8_t, float)
XAIJAX_INSTANTIATE(std::uint8_t, double)
XAIJAX_INSTANTIATE(std::uint16_t, float)
XAIJAX_INSTANTIATE(std::uint16_t, double)
XAIJAX_INSTANTIATE(float, float)
XAIJAX_INSTANTIATE(float, double)
XAIJAX_INSTANTIATE(double, float)
XAIJAX_INSTANTIATE(double, double)
#undef XAIJAX_INSTANTIATE

}  // namespace xaijax::cuda
