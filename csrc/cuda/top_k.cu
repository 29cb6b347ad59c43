#include "cuda/top_k.cuh"

namespace xaijax::cuda {

template <class T>
const char* top_k_threshold(Stream stream, const T* maps, index_t count, index_t pixels, index_t k, T* out) {
  if (count == 0) return nullptr;
  const auto blocks = static_cast<unsigned>(count < 65535 ? count : 65535);
  top_k_kernel<T><<<blocks, kBlock, 0, stream>>>(maps, count, pixels, k, out);
  return launch_status();
}

template const char* top_k_threshold(Stream, const float*, index_t, index_t, index_t, float*);
template const char* top_k_threshold(Stream, const double*, index_t, index_t, index_t, double*);

}  // namespace xaijax::cuda
