// Products of tiles in shared memory by the 128 threads of a block, for convolutions: on tensor cores in bf16, by fused
// multiply-adds of register tiles in f32. Each thread holds its part of the sum; for_each(f) hands it out as
// f(row, column, pack of neighbours along the row).
//
// Rows in shared memory are an odd number of 16-byte units apart, so that eight neighbouring rows start in eight different
// groups of banks, whichever of them a quarter of a warp reads.
#pragma once

#include "engine/cuda/device.h"

namespace lull::cuda {

constexpr int kConvThreads = 128;

// A tile whose rows are kUnits · 16 bytes long.
template <class T, int kRows, int kUnits>
struct alignas(16) ConvTile {
    static constexpr int width = kUnits * Pack<T>::size;
    T at[kRows][(kUnits + 1 - kUnits % 2) * Pack<T>::size];
};

// sum (128, kColumns) += A Bᵀ. A: (128, depth), B: (kColumns, depth), depth: 64 bytes.
template <class T, int kColumns>
struct GatherProduct;

template <int kColumns>
struct GatherProduct<bf16, kColumns> {
    // Four warps, each with (64, 32) of the sum, or (32, 32) where there are only 32 columns, in tiles of (16, 8).
    static constexpr int run = 2, warps_across = kColumns / 32, tiles = 128 * warps_across / 4 / 16;
    float sum[tiles][4][4] = {};

    LULL_DEVICE int row() const { return warp_of_thread() / warps_across * (16 * tiles); }
    LULL_DEVICE int column() const { return warp_of_thread() % warps_across * 32; }

    LULL_DEVICE void add(const ConvTile<bf16, 128, 4>& a, const ConvTile<bf16, kColumns, 4>& b) {
        const int lane = lane_of_thread();
        for (int k = 0; k < 32; k += 16) {
            std::uint32_t left[tiles][4], right[4][2];
            for (int i = 0; i < tiles; ++i) ldmatrix_x4(left[i], &a.at[row() + 16 * i + lane % 16][k + lane / 16 * 8]);
            for (int j = 0; j < 4; j += 2) {    // two tiles in one access: columns 0–7 with k 0–7 and 8–15, then columns 8–15
                std::uint32_t both[4];
                ldmatrix_x4(both, &b.at[column() + 8 * j + lane / 16 * 8 + lane % 8][k + lane / 8 % 2 * 8]);
                right[j][0] = both[0], right[j][1] = both[1];
                right[j + 1][0] = both[2], right[j + 1][1] = both[3];
            }
            for (int i = 0; i < tiles; ++i)
                for (int j = 0; j < 4; ++j) mma_16x8x16(sum[i][j], left[i], right[j]);
        }
    }

    template <class F>
    LULL_DEVICE void for_each(const F& f) const {
        const int lane = lane_of_thread();
        for (int i = 0; i < tiles; ++i)
            for (int j = 0; j < 4; ++j)
                for (int half = 0; half < 2; ++half)
                    f(row() + 16 * i + 8 * half + lane / 4, column() + 8 * j + 2 * (lane % 4),
                      Pack<float, 2>{{sum[i][j][2 * half], sum[i][j][2 * half + 1]}});
    }
};

template <int kColumns>
struct GatherProduct<float, kColumns> {
    // A thread has rows thread / 8 + 16 i and columns thread % 8 + 8 j.
    static constexpr int run = 1, columns = kColumns / 8;
    float sum[8][columns] = {};

    LULL_DEVICE void add(const ConvTile<float, 128, 4>& a, const ConvTile<float, kColumns, 4>& b) {
        const int row = static_cast<int>(threadIdx.x) / 8, column = static_cast<int>(threadIdx.x) % 8;
        for (int k = 0; k < 16; k += 4) {
            Pack<float> left[8];
            for (int i = 0; i < 8; ++i) left[i] = load16(&a.at[row + 16 * i][k]);
            for (int j = 0; j < columns; ++j) {
                const Pack<float> right = load16(&b.at[column + 8 * j][k]);
                for (int i = 0; i < 8; ++i)
                    for (int e = 0; e < 4; ++e) sum[i][j] = fmaf(left[i].at[e], right.at[e], sum[i][j]);
            }
        }
    }

    template <class F>
    LULL_DEVICE void for_each(const F& f) const {
        const int row = static_cast<int>(threadIdx.x) / 8, column = static_cast<int>(threadIdx.x) % 8;
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < columns; ++j) f(row + 16 * i, column + 8 * j, Pack<float, 1>{{sum[i][j]}});
    }
};

// sum (64, 64) += Aᵀ B. A and B: (depth, 64), depth: 32 in bf16, 16 in f32.
template <class T>
struct SumProduct;

template <>
struct SumProduct<bf16> {
    static constexpr int run = 2, depth = 32, units = 8;
    using Tile = ConvTile<bf16, depth, units>;
    float sum[2][4][4] = {};    // four warps, each with (32, 32) of the sum

    LULL_DEVICE int row() const { return warp_of_thread() / 2 * 32; }
    LULL_DEVICE int column() const { return warp_of_thread() % 2 * 32; }

    LULL_DEVICE void add(const Tile& a, const Tile& b) {
        const int lane = lane_of_thread();
        for (int k = 0; k < depth; k += 16) {
            std::uint32_t left[2][4], right[4][2];
            for (int i = 0; i < 2; ++i)
                ldmatrix_x4_transposed(left[i], &a.at[k + lane / 16 * 8 + lane % 8][row() + 16 * i + lane / 8 % 2 * 8]);
            for (int j = 0; j < 4; j += 2) {
                std::uint32_t both[4];
                ldmatrix_x4_transposed(both, &b.at[k + lane % 16][column() + 8 * j + lane / 16 * 8]);
                right[j][0] = both[0], right[j][1] = both[1];
                right[j + 1][0] = both[2], right[j + 1][1] = both[3];
            }
            for (int i = 0; i < 2; ++i)
                for (int j = 0; j < 4; ++j) mma_16x8x16(sum[i][j], left[i], right[j]);
        }
    }

    template <class F>
    LULL_DEVICE void for_each(const F& f) const {
        const int lane = lane_of_thread();
        for (int i = 0; i < 2; ++i)
            for (int j = 0; j < 4; ++j)
                for (int half = 0; half < 2; ++half)
                    f(row() + 16 * i + 8 * half + lane / 4, column() + 8 * j + 2 * (lane % 4),
                      Pack<float, 2>{{sum[i][j][2 * half], sum[i][j][2 * half + 1]}});
    }
};

template <>
struct SumProduct<float> {
    static constexpr int run = 4, depth = 16, units = 16;
    using Tile = ConvTile<float, depth, units>;
    // A thread has columns 4 (thread % 16) + e, and rows 4 (thread / 16) + e and 32 further.
    float sum[8][4] = {};

    LULL_DEVICE void add(const Tile& a, const Tile& b) {
        const int row = static_cast<int>(threadIdx.x) / 16 * 4, column = static_cast<int>(threadIdx.x) % 16 * 4;
        for (int k = 0; k < depth; ++k) {
            const Pack<float> upper = load16(&a.at[k][row]), lower = load16(&a.at[k][row + 32]);
            const Pack<float> right = load16(&b.at[k][column]);
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) {
                    sum[i][j] = fmaf(upper.at[i], right.at[j], sum[i][j]);
                    sum[i + 4][j] = fmaf(lower.at[i], right.at[j], sum[i + 4][j]);
                }
        }
    }

    template <class F>
    LULL_DEVICE void for_each(const F& f) const {
        const int row = static_cast<int>(threadIdx.x) / 16 * 4, column = static_cast<int>(threadIdx.x) % 16 * 4;
        for (int i = 0; i < 8; ++i)
            f(row + i % 4 + i / 4 * 32, column, Pack<float>{{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}});
    }
};

}    // namespace lull::cuda
