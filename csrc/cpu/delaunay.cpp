// Bowyer-Watson insertion: the triangles whose circumcircle strictly holds the new point form a hole without inner
// vertices, so a depth-first search over the dual tree meets each once and lists the hole's edges in order.
// A point on an edge needs no case of its own: it lies strictly inside the circles on both sides of the edge.
#include "xaijax/delaunay.hpp"

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

// Whether `point` lies strictly inside the circle through a, b, c (in the triangles' turning sense): with p, q, r from
// the point to them, |p|^2 q x r + |q|^2 r x p + |r|^2 p x q > 0.
#if defined(__SSE2__)
// Offsets fit 16 bits, so one instruction makes three squares or three cross products of two halves each.
inline bool in_circle(std::uint32_t point, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const auto lane = [](std::uint32_t bits) { return static_cast<int>(bits); };
  const __m128i vertices = _mm_setr_epi32(lane(a), lane(b), lane(c), 0);
  const __m128i offsets = _mm_sub_epi16(vertices, _mm_set1_epi32(lane(point)));
  const __m128i next = _mm_shuffle_epi32(offsets, _MM_SHUFFLE(3, 0, 2, 1));
  const __m128i last = _mm_shuffle_epi32(offsets, _MM_SHUFFLE(3, 1, 0, 2));
  // (x, y) turned to (y, -x).
  const __m128i swapped = _mm_or_si128(_mm_srli_epi32(last, 16), _mm_slli_epi32(last, 16));
  const __m128i upper = _mm_set1_epi32(lane(0xffff0000u));
  const __m128i turned = _mm_sub_epi16(_mm_xor_si128(swapped, upper), upper);
  alignas(16) std::int32_t squares[4], crosses[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(squares), _mm_madd_epi16(offsets, offsets));
  _mm_store_si128(reinterpret_cast<__m128i*>(crosses), _mm_madd_epi16(next, turned));
  return std::int64_t{squares[0]} * crosses[0] + std::int64_t{squares[1]} * crosses[1] +
             std::int64_t{squares[2]} * crosses[2] > 0;
}
#else
inline std::int64_t square(Offset a) { return a.x * a.x + a.y * a.y; }

inline bool in_circle(std::uint32_t point, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  const Offset p = offset(point, a), q = offset(point, b), r = offset(point, c);
  return square(p) * cross(q, r) + square(q) * cross(r, p) + square(r) * cross(p, q) > 0;
}
#endif

constexpr int next_edge[3] = {1, 2, 0};
constexpr int last_edge[3] = {2, 0, 1};

}  // namespace

void Delaunay::reset(index_t height, index_t width) {
  const std::uint32_t a = pack(0, 0), b = pack(width - 1, 0), c = pack(width - 1, height - 1), d = pack(0, height - 1);
  triangles_.clear();
  triangles_.push_back({{a, b, c}, 0, {-1, -1, 4 + 0}, 0});
  triangles_.push_back({{a, c, d}, 0, {2, -1, -1}, 0});
  touched_.clear();
  stamp_ = 0;
}

void Delaunay::begin(std::int32_t stamp) {
  touched_.clear();
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
      if (cross(offset(now.v[i], now.v[next_edge[i]]), offset(now.v[i], point)) < 0) {
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

void Delaunay::dig(std::uint32_t point, std::int32_t start) {
  hole_.clear();
  links_.clear();
  open_.clear();
  hole_.push_back(start);
  const Triangle& first = triangles_[static_cast<std::size_t>(start)];
  for (int i = 2; i >= 0; --i) open_.push_back({first.v[i], first.v[next_edge[i]], first.twin[i]});
  while (!open_.empty()) {
    const Link edge = open_.back();
    open_.pop_back();
    if (edge.twin < 0) {
      links_.push_back(edge);
      continue;
    }
    const Triangle& behind = triangles_[static_cast<std::size_t>(edge.twin >> 2)];
    const int entered = edge.twin & 3;
    const int second = next_edge[entered], third = last_edge[entered];
    const std::uint32_t apex = behind.v[third];
    if (!in_circle(point, edge.to, edge.from, apex)) {
      links_.push_back(edge);
      continue;
    }
    hole_.push_back(edge.twin >> 2);
    open_.push_back({apex, edge.to, behind.twin[third]});
    open_.push_back({edge.from, apex, behind.twin[second]});
  }
}

std::int32_t Delaunay::star(std::uint32_t point) {
  // A point on the rectangle's side does not see the side edge it lies on: the star is open there.
  std::size_t count = links_.size(), first = 0;
  bool closed = true;
  for (std::size_t i = 0; i < count; ++i) {
    if (links_[i].twin >= 0) continue;
    if (cross(offset(links_[i].from, links_[i].to), offset(links_[i].from, point)) != 0) continue;
    closed = false;
    first = i + 1;
    break;
  }
  const std::size_t used = closed ? count : count - 1;
  while (hole_.size() < used) {
    hole_.push_back(static_cast<std::int32_t>(triangles_.size()));
    triangles_.push_back({{0, 0, 0}, stamp_ - 1, {-1, -1, -1}, 0});
  }
  Triangle* const triangles = triangles_.data();
  const Link* const links = links_.data();
  const std::int32_t* const hole = hole_.data();
  std::int32_t before = closed ? 4 * hole[used - 1] + 2 : -1;
  std::size_t at = first == count ? 0 : first;
  for (std::size_t i = 0; i < used; ++i) {
    const Link link = links[at];
    if (++at == count) at = 0;
    const std::int32_t here = hole[i];
    const std::int32_t after = i + 1 < used ? 4 * hole[i + 1] : closed ? 4 * hole[0] : -1;
    Triangle& now = triangles[here];
    if (now.stamp != stamp_) touched_.push_back(here);
    now = {{point, link.from, link.to}, stamp_, {before, link.twin, after}, 0};
    if (link.twin >= 0) triangles[link.twin >> 2].twin[link.twin & 3] = 4 * here + 1;
    before = 4 * here + 2;
  }
  return hole[0];
}

std::int32_t Delaunay::insert(std::uint32_t point, std::int32_t start) {
  dig(point, locate(point, start));
  return star(point);
}

}  // namespace xaijax
