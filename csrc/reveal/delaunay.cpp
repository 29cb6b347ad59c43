// Bowyer-Watson insertion: the triangles whose circumcircle strictly holds the new point form a hole without inner
// vertices, so a depth-first search over the dual tree meets each once and lists the hole's edges in order.
// A point on an edge needs no case of its own: it lies strictly inside the circles on both sides of the edge.
#include "reveal/delaunay.hpp"

#include <algorithm>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace xaijax {

namespace {

struct Offset {
  std::int64_t x, y;
};

inline Offset offset(std::uint32_t from, std::uint32_t to) {
  return {Delaunay::x_of(to) - Delaunay::x_of(from), Delaunay::y_of(to) - Delaunay::y_of(from)};
}

inline std::int64_t cross(Offset a, Offset b) { return a.x * b.y - a.y * b.x; }

// Whether `point` lies strictly inside the circle through a triangle's edge from -> to and the vertex behind it, the
// point being in front of it: whether the two angles the edge is seen under add up to more than half a turn. With dot
// and cross product of the ways to the ends: cos and sin of one, times sin and cos of the other, below zero.
#if defined(__SSE2__)
// Offsets fit 16 bits, so one instruction makes both dot products, or both cross products.
inline bool in_circle(std::uint32_t point, std::uint32_t from, std::uint32_t to, std::uint32_t apex) {
  const auto pair = [](std::uint32_t low, std::uint32_t high) {
    return _mm_unpacklo_epi32(_mm_cvtsi32_si128(static_cast<int>(low)), _mm_cvtsi32_si128(static_cast<int>(high)));
  };
  const __m128i eyes = pair(point, apex);
  const __m128i there = _mm_sub_epi16(pair(from, from), eyes), here = _mm_sub_epi16(pair(to, to), eyes);
  // (x, y) turned to (y, -x).
  const __m128i upper = _mm_set1_epi32(static_cast<int>(0xffff0000u));
  const __m128i swapped = _mm_shufflelo_epi16(here, _MM_SHUFFLE(2, 3, 0, 1));
  const __m128i turned = _mm_sub_epi16(_mm_xor_si128(swapped, upper), upper);
  std::int64_t dots, crosses;
  _mm_storel_epi64(reinterpret_cast<__m128i*>(&dots), _mm_madd_epi16(there, here));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(&crosses), _mm_madd_epi16(there, turned));
  const std::int64_t dot = static_cast<std::int32_t>(dots), dot_behind = dots >> 32;
  const std::int64_t sine = static_cast<std::int32_t>(crosses), sine_behind = crosses >> 32;
  return dot_behind * sine < dot * sine_behind;
}
#else
inline std::int64_t dot(Offset a, Offset b) { return a.x * b.x + a.y * b.y; }

inline bool in_circle(std::uint32_t point, std::uint32_t from, std::uint32_t to, std::uint32_t apex) {
  const Offset a = offset(point, from), b = offset(point, to), c = offset(apex, from), d = offset(apex, to);
  return dot(c, d) * cross(a, b) < dot(a, b) * cross(c, d);
}
#endif

constexpr int next[3] = {1, 2, 0};
constexpr int last[3] = {2, 0, 1};

}  // namespace

void Delaunay::reset(index_t height, index_t width) {
  const std::uint32_t a = pack(0, 0), b = pack(width - 1, 0), c = pack(width - 1, height - 1), d = pack(0, height - 1);
  triangles_.clear();
  triangles_.push_back({{a, b, c}, 0, {-1, 4 + 2, -1}, 0});
  triangles_.push_back({{a, c, d}, 0, {-1, -1, 1}, 0});
  touched_count_ = 0;
  stamp_ = 0;
}

void Delaunay::begin(std::int32_t stamp) {
  touched_count_ = 0;
  stamp_ = stamp;
}

// Crosses any edge that has the point strictly behind it. In a Delaunay triangulation this cannot go in circles.
std::int32_t Delaunay::locate(std::uint32_t point, std::int32_t start) const {
  std::int32_t t = start;
  int entered = -1;
  for (;;) {
    const Triangle& now = triangles_[static_cast<std::size_t>(t)];
    int out = -1;
    for (int i = 0; i < 3; ++i) {
      if (i == entered) continue;
      const std::uint32_t from = now.v[next[i]];
      if (cross(offset(from, now.v[last[i]]), offset(from, point)) < 0) {
        out = i;
        break;
      }
    }
    if (out < 0) return t;
    const std::int32_t twin = now.twin[out];
    t = twin >> 2;
    entered = twin & 3;
  }
}

// The hole's edges come in order, so the end of one is the start of the next.
std::size_t Delaunay::dig(std::uint32_t point, std::int32_t start) {
  const Triangle* const triangles = triangles_.data();
  const Triangle& first = triangles[start];
  std::size_t count = 0, holes = 1, waiting = 2;
  hole_[0] = start;
  Edge* const open = open_.data();
  open[0] = {first.v[0], first.twin[1]};
  open[1] = {first.v[2], first.twin[0]};
  std::uint32_t from = first.v[0];
  Edge edge{first.v[1], first.twin[2]};
  on_side_ = false;
  for (;;) {
    if (edge.twin >= 0) {
      const Triangle& behind = triangles[edge.twin >> 2];
      const int apart = edge.twin & 3;
      const std::uint32_t apex = behind.v[apart];
      if (in_circle(point, from, edge.vertex, apex)) {
        hole_[holes++] = edge.twin >> 2;
        open[waiting++] = {edge.vertex, behind.twin[last[apart]]};
        edge = {apex, behind.twin[next[apart]]};
        if (holes + 3 < room_) continue;
        grow();
        return dig(point, start);
      }
    } else {
      on_side_ = true;
    }
    links_[count++] = {from, edge.twin};
    if (waiting == 0) break;
    from = edge.vertex;
    edge = open[--waiting];
  }
  holes_ = holes;
  return count;
}

void Delaunay::grow() {
  room_ *= 2;
  hole_.resize(room_);
  links_.resize(room_);
  open_.resize(room_);
}

std::int32_t Delaunay::star(std::uint32_t point, std::size_t count) {
  bool closed = true;
  // A point on the rectangle's side does not see the side edge it lies on: the star is open there.
  for (std::size_t i = 0; on_side_ && i < count; ++i) {
    const std::uint32_t from = links_[i].vertex, to = links_[i + 1 == count ? 0 : i + 1].vertex;
    if (links_[i].twin >= 0 || cross(offset(from, to), offset(from, point)) != 0) continue;
    closed = false;
    std::rotate(links_.begin(), links_.begin() + static_cast<std::ptrdiff_t>(i + 1),
                links_.begin() + static_cast<std::ptrdiff_t>(count));
    break;
  }
  const std::size_t used = closed ? count : count - 1;
  for (; holes_ < used; ++holes_) {
    hole_[holes_] = static_cast<std::int32_t>(triangles_.size());
    triangles_.push_back({{0, 0, 0}, stamp_ - 1, {-1, -1, -1}, 0});
  }
  if (touched_.size() < touched_count_ + used) touched_.resize(2 * touched_count_ + used);
  links_[count] = links_[0];
  hole_[used] = hole_[0];
  Triangle* const triangles = triangles_.data();
  const Edge* const links = links_.data();
  const std::int32_t* const hole = hole_.data();
  std::int32_t* touched = touched_.data() + touched_count_;
  const std::int32_t stamp = stamp_;
  std::int32_t before = hole[used - 1];
  for (std::size_t i = 0; i < used; ++i) {
    const std::int32_t here = hole[i], twin = links[i].twin;
    Triangle& now = triangles[here];
    *touched = here;
    touched += now.stamp != stamp;
    now = {{point, links[i].vertex, links[i + 1].vertex}, stamp, {twin, 4 * hole[i + 1] + 2, 4 * before + 1}, 0};
    if (twin >= 0) triangles[twin >> 2].twin[twin & 3] = 4 * here;
    before = here;
  }
  touched_count_ = static_cast<std::size_t>(touched - touched_.data());
  if (!closed) triangles[hole[0]].twin[2] = triangles[hole[used - 1]].twin[1] = -1;
  return hole[0];
}

std::int32_t Delaunay::insert(std::uint32_t point, std::int32_t start) {
  return star(point, dig(point, locate(point, start)));
}

}  // namespace xaijax
