// Transposes blocks of a matrix as wide as a vector, in registers.
#pragma once

#include <cstdint>

#include "engine/cpu/simd.h"

namespace lull::cpu {

// Four elements each of rows 0, 4, 8, … of a matrix, `stride` apart: from memory, and to it.
template <class D>
hn::Vec<D> load_every_fourth_row(D d, const hn::TFromD<D>* from, std::int64_t stride) {
    if constexpr (hn::MaxLanes(d) <= 4) {
        return hn::LoadU(d, from);
    } else {
        const hn::Half<D> half;
        const auto upper_rows = static_cast<std::int64_t>(hn::MaxLanes(d) / 2);
        return hn::Combine(d, load_every_fourth_row(half, from + upper_rows * stride, stride),
                           load_every_fourth_row(half, from, stride));
    }
}

template <class D>
void store_every_fourth_row(hn::Vec<D> x, D d, hn::TFromD<D>* to, std::int64_t stride) {
    if constexpr (hn::MaxLanes(d) <= 4) {
        hn::StoreU(x, d, to);
    } else {
        const hn::Half<D> half;
        const auto upper_rows = static_cast<std::int64_t>(hn::MaxLanes(d) / 2);
        store_every_fourth_row(hn::UpperHalf(half, x), half, to + upper_rows * stride, stride);
        store_every_fourth_row(hn::LowerHalf(half, x), half, to, stride);
    }
}

// Of each 128 bits of four vectors, a (4, 4) matrix.
template <class T>
HWY_INLINE void transpose_blocks(Vec<T> (&row)[4]) {
    const Tag<T> d;
    const Vec<T> even_01 = hn::InterleaveLower(d, row[0], row[2]), odd_01 = hn::InterleaveLower(d, row[1], row[3]);
    const Vec<T> even_23 = hn::InterleaveUpper(d, row[0], row[2]), odd_23 = hn::InterleaveUpper(d, row[1], row[3]);
    row[0] = hn::InterleaveLower(d, even_01, odd_01);
    row[1] = hn::InterleaveUpper(d, even_01, odd_01);
    row[2] = hn::InterleaveLower(d, even_23, odd_23);
    row[3] = hn::InterleaveUpper(d, even_23, odd_23);
}

// from: as many rows as a vector has lanes, `stride` apart → to[p·width + row] = from[row·stride + p] for p in [0, depth).
template <class T>
void transpose(const T* from, std::int64_t stride, std::int64_t depth, T* to, std::int64_t width) {
    constexpr bool kInRegisters = sizeof(T) == 4 && lanes<T>() >= 4;
    const std::int64_t fours = kInRegisters ? depth / 4 * 4 : 0;
    if constexpr (kInRegisters) {
        for (std::int64_t p = 0; p < fours; p += 4) {
            Vec<T> row[4];
            for (int r = 0; r < 4; ++r) row[r] = load_every_fourth_row(Tag<T>(), from + r * stride + p, stride);
            transpose_blocks<T>(row);
            for (int r = 0; r < 4; ++r) hn::StoreU(row[r], Tag<T>(), to + (p + r) * width);
        }
    }
    for (std::int64_t p = fours; p < depth; ++p)
        for (std::int64_t row = 0; row < lanes<T>(); ++row) to[p * width + row] = from[row * stride + p];
}

// And back: from, (depth, lanes) with rows `width` apart → to[row·stride + p] = from[p·width + row].
template <class T>
void transpose_back(const T* from, std::int64_t width, std::int64_t depth, T* to, std::int64_t stride) {
    constexpr bool kInRegisters = sizeof(T) == 4 && lanes<T>() >= 4;
    const std::int64_t fours = kInRegisters ? depth / 4 * 4 : 0;
    if constexpr (kInRegisters) {
        for (std::int64_t p = 0; p < fours; p += 4) {
            Vec<T> row[4];
            for (int r = 0; r < 4; ++r) row[r] = hn::LoadU(Tag<T>(), from + (p + r) * width);
            transpose_blocks<T>(row);
            for (int r = 0; r < 4; ++r) store_every_fourth_row(row[r], Tag<T>(), to + r * stride + p, stride);
        }
    }
    for (std::int64_t p = fours; p < depth; ++p)
        for (std::int64_t row = 0; row < lanes<T>(); ++row) to[row * stride + p] = from[p * width + row];
}

}    // namespace lull::cpu
