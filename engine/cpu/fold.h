// Sums and extremes over runs of elements, in f64 whatever the elements are, in an order that the length alone decides.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/cpu/simd.h"

namespace lull::cpu {

using Wide = Vec<double>;

// Elements that one partial result covers. Partials are combined in index order.
inline constexpr std::int64_t kFoldChunk = 1 << 14;

inline Wide load_wide(const double* x) { return hn::LoadU(Tag<double>(), x); }
inline Wide load_wide(const float* x) { return hn::PromoteTo(Tag<double>(), hn::LoadU(hn::Rebind<float, Tag<double>>(), x)); }
// The first `count` elements, then zeros.
inline Wide load_wide(const double* x, std::size_t count) { return load_first(Tag<double>(), x, count); }
inline Wide load_wide(const float* x, std::size_t count) {
    return hn::PromoteTo(Tag<double>(), load_first(hn::Rebind<float, Tag<double>>(), x, count));
}

// How two partial results become one. Extremes keep a NaN once they have met it.
struct Plus {
    static constexpr double kStart = 0;
    double operator()(double a, double b) const { return a + b; }
    Wide operator()(Wide a, Wide b) const { return hn::Add(a, b); }
};
struct Larger {
    static constexpr double kStart = -std::numeric_limits<double>::infinity();
    double operator()(double a, double b) const { return b > a || std::isnan(b) ? b : a; }
    Wide operator()(Wide a, Wide b) const { return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a); }
};
struct Smaller {
    static constexpr double kStart = std::numeric_limits<double>::infinity();
    double operator()(double a, double b) const { return b < a || std::isnan(b) ? b : a; }
    Wide operator()(Wide a, Wide b) const { return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a); }
};

// f(x[i]…) for i in [0, n), folded. f takes and returns Wide. Four accumulators hide the latency of an addition.
template <class Combine, class F, class... T>
double fold(std::int64_t n, const Combine& combine, const F& f, const T*... x) {
    constexpr int kLanes = lanes<double>();
    const Wide start = hn::Set(Tag<double>(), Combine::kStart);
    Wide a = start, b = start, c = start, e = start;
    std::int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
        a = combine(a, f(load_wide(x + i)...));
        b = combine(b, f(load_wide(x + i + kLanes)...));
        c = combine(c, f(load_wide(x + i + 2 * kLanes)...));
        e = combine(e, f(load_wide(x + i + 3 * kLanes)...));
    }
    for (; i + kLanes <= n; i += kLanes) a = combine(a, f(load_wide(x + i)...));
    if (i < n) {
        const auto count = static_cast<std::size_t>(n - i);
        const Wide last = combine(b, f(load_wide(x + i, count)...));
        b = hn::IfThenElse(hn::FirstN(Tag<double>(), count), last, b);
    }
    std::array<double, kLanes> lane;
    hn::StoreU(combine(combine(a, b), combine(c, e)), Tag<double>(), lane.data());
    double result = lane[0];
    for (std::size_t k = 1; k < kLanes; ++k) result = combine(result, lane[k]);
    return result;
}

}    // namespace lull::cpu
