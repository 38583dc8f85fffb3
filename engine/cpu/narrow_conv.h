// Kernels for layers with a few channels on one side, as a U-Net's first and last have: a vector over that side's channels
// would be mostly padding. The vector runs over the other side's, and what the direct sum keeps per channel is kept per tap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/cpu/simd.h"

namespace lull::cpu {

inline constexpr std::int64_t kNarrow = 3;    // channels

// A few output channels: y[r] = Σ x w over vectors of input channels, added up across lanes at the end. R neighbouring
// pixels, `column` apart in y; offsets: of the taps; w: [block of C][tap][lane].
template <class T, int R>
void dot_tile(std::int64_t blocks, std::int64_t x_block, const std::vector<std::int64_t>& offsets, const T* HWY_RESTRICT x,
              const T* HWY_RESTRICT w, T (&y)[R]) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> sum[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] = hn::Zero(d);
    for (std::int64_t block = 0; block < blocks; ++block, x += x_block) {
        for (const std::int64_t offset : offsets) {
            const Vec<T> w_v = hn::Load(d, w);
            w += L;
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) sum[r] = hn::MulAdd(hn::Load(d, x + offset + r * L), w_v, sum[r]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) y[r] = hn::GetLane(hn::SumOfLanes(d, sum[r]));
}

// The pixels of a gradient of weights: rows × columns, whose rows are so far apart in `wide` and `narrow`, and whose columns
// are a vector apart.
struct NarrowGrid {
    std::int64_t rows, columns, wide_row, narrow_row;
};

// sum[r] += Σ_pixels wide narrow[offset[r]]: R taps, a vector of the wide side's channels, one of the narrow side's. The taps
// move the narrow side (it is x), or with kMoveWide the wide side.
template <class T, int R, bool kMoveWide>
void tap_tile(const NarrowGrid& grid, const T* HWY_RESTRICT wide, const T* HWY_RESTRICT narrow, const std::int64_t* offset,
              T* HWY_RESTRICT sum, std::int64_t sum_pitch) {
    constexpr int L = lanes<T>();
    const Tag<T> d;
    Vec<T> total[R];
#pragma GCC unroll 9
    for (int r = 0; r < R; ++r) total[r] = hn::Zero(d);
    for (std::int64_t i = 0; i < grid.rows; ++i, wide += grid.wide_row, narrow += grid.narrow_row) {
        for (std::int64_t j = 0; j < grid.columns; ++j) {
            if constexpr (kMoveWide) {
                const Vec<T> n = hn::Set(d, narrow[j * L]);
#pragma GCC unroll 9
                for (int r = 0; r < R; ++r) total[r] = hn::MulAdd(hn::Load(d, wide + offset[r] + j * L), n, total[r]);
            } else {
                const Vec<T> w = hn::Load(d, wide + j * L);
#pragma GCC unroll 9
                for (int r = 0; r < R; ++r) total[r] = hn::MulAdd(hn::Set(d, narrow[offset[r] + j * L]), w, total[r]);
            }
        }
    }
    for (int r = 0; r < R; ++r) hn::Store(hn::Add(hn::Load(d, sum + r * sum_pitch), total[r]), d, sum + r * sum_pitch);
}

// All taps, nine at a time (those of a 3×3 filter) and one by one.
template <class T, bool kMoveWide>
void all_taps(const NarrowGrid& grid, const T* wide, const T* narrow, const std::vector<std::int64_t>& offsets, T* sum,
              std::int64_t sum_pitch) {
    const auto taps = std::ssize(offsets);
    std::int64_t tap = 0;
    for (; tap + 9 <= taps; tap += 9)
        tap_tile<T, 9, kMoveWide>(grid, wide, narrow, offsets.data() + tap, sum + tap * sum_pitch, sum_pitch);
    for (; tap < taps; ++tap)
        tap_tile<T, 1, kMoveWide>(grid, wide, narrow, offsets.data() + tap, sum + tap * sum_pitch, sum_pitch);
}

}    // namespace lull::cpu
