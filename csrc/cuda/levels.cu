#include <algorithm>

#include "cuda/levels.cuh"

namespace xaijax::cuda {

template <class T>
const char* reveal_levels(Stream stream, const T* maps, Broadcast map_of, const bool* always, Broadcast always_of,
                          index_t count, index_t pixels, const std::vector<double>& fractions, T* thresholds,
                          std::uint16_t* levels) {
  if (count == 0 || pixels == 0) return nullptr;
  const int total = static_cast<int>(fractions.size());
  const auto blocks = static_cast<unsigned>(std::min<index_t>(count, 65535));
  for (int first = 0; first < total; first += Fractions::most) {
    Fractions part;
    part.first = first;
    part.count = std::min(Fractions::most, total - first);
    std::copy_n(fractions.begin() + first, part.count, part.values);
    const dim3 grid(blocks, static_cast<unsigned>(part.count));
    threshold_kernel<T><<<grid, kBlock, 0, stream>>>(maps, map_of, count, pixels, part, total, thresholds);
  }
  levels_kernel<T><<<blocks_for(count * pixels), kBlock, 0, stream>>>(maps, map_of, always, always_of, count, pixels,
                                                                      total, thresholds, levels);
  return launch_status();
}

template const char* reveal_levels(Stream, const float*, Broadcast, const bool*, Broadcast, index_t, index_t,
                                   const std::vector<double>&, float*, std::uint16_t*);
template const char* reveal_levels(Stream, const double*, Broadcast, const bool*, Broadcast, index_t, index_t,
                                   const std::vector<double>&, double*, std::uint16_t*);

}  // namespace xaijax::cuda
