// Highway, under short names. Kernels are written once over T (float or double) and a vector tag of T.
#pragma once

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lull::cpu {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Vec = hn::Vec<Tag<T>>;

template <class T>
constexpr int lanes() {
    return static_cast<int>(HWY_LANES(T));    // static dispatch: known when compiling
}

// n filled up to whole units, such as the lanes of a vector.
constexpr std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// The first `count` lanes from memory, zeros behind them; and to memory. Nothing beyond is touched, which Highway's masked
// operations promise from AVX2 on: elsewhere they read and write whole vectors.
inline constexpr bool kMasksMemory = HWY_STATIC_TARGET <= HWY_AVX2;

template <class D>
hn::Vec<D> load_first(D d, const hn::TFromD<D>* p, std::size_t count) {
    if constexpr (kMasksMemory) {
        return hn::MaskedLoad(hn::FirstN(d, count), d, p);
    } else {
        alignas(64) hn::TFromD<D> lane[hn::MaxLanes(d)] = {};
        std::copy_n(p, count, lane);
        return hn::Load(d, lane);
    }
}

template <class D>
void store_first(hn::Vec<D> v, D d, hn::TFromD<D>* p, std::size_t count) {
    if constexpr (kMasksMemory) {
        hn::BlendedStore(v, hn::FirstN(d, count), d, p);
    } else {
        alignas(64) hn::TFromD<D> lane[hn::MaxLanes(d)];
        hn::Store(v, d, lane);
        std::copy_n(lane, count, p);
    }
}

}    // namespace lull::cpu
