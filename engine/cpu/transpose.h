// Transposes blocks of a matrix as wide as a vector, in registers.
#pragma once

#include <cstdint>

#include "engine/cpu/simd.h"

namespace lull::cpu {

// Four elements each from rows 0, 4, 8, … of a matrix, `stride` apart.
template <class D>
hn::Vec<D> load_every_fourth_row(D d, const float* from, std::int64_t stride) {
    if constexpr (hn::MaxLanes(d) <= 4) {
        return hn::LoadU(d, from);
    } else {
        const hn::Half<D> half;
        const auto upper_rows = static_cast<std::int64_t>(hn::MaxLanes(d) / 2);
        return hn::Combine(d, load_every_fourth_row(half, from + upper_rows * stride, stride),
                           load_every_fourth_row(half, from, stride));
    }
}

// from: as many rows as a vector has lanes, `stride` apart → to[p·width + row] = from[row·stride + p] for p in [0, depth).
template <class T>
void transpose(const T* from, std::int64_t stride, std::int64_t depth, T* to, std::int64_t width) {
    std::int64_t p = 0;
    if constexpr (sizeof(T) == 4 && lanes<T>() >= 4) {
        const Tag<T> d;
        for (; p + 4 <= depth; p += 4) {
            Vec<T> row[4];    // of each 128 bits: a (4, 4) matrix
            for (int r = 0; r < 4; ++r) row[r] = load_every_fourth_row(d, from + r * stride + p, stride);
            const Vec<T> even_01 = hn::InterleaveLower(d, row[0], row[2]), odd_01 = hn::InterleaveLower(d, row[1], row[3]);
            const Vec<T> even_23 = hn::InterleaveUpper(d, row[0], row[2]), odd_23 = hn::InterleaveUpper(d, row[1], row[3]);
            T* const to_p = to + p * width;
            hn::StoreU(hn::InterleaveLower(d, even_01, odd_01), d, to_p);
            hn::StoreU(hn::InterleaveUpper(d, even_01, odd_01), d, to_p + width);
            hn::StoreU(hn::InterleaveLower(d, even_23, odd_23), d, to_p + 2 * width);
            hn::StoreU(hn::InterleaveUpper(d, even_23, odd_23), d, to_p + 3 * width);
        }
    }
    for (; p < depth; ++p)
        for (std::int64_t row = 0; row < lanes<T>(); ++row) to[p * width + row] = from[row * stride + p];
}

}    // namespace lull::cpu
