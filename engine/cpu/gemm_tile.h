// The register tiles of matrix multiplication: what gemm.cpp and gemm_bf16.cpp share.
//
// C is computed in tiles: up to kTileRows rows of A times a sliver of B, one or two vectors wide, along a block of k. A is
// read where it lies, one broadcast at a time: its rows (or columns) are as many streams as the tile has rows. What lies apart
// in memory is fetched ahead: the next tiles' rows of A, the next sliver of an unpacked B, and the tile of C.
#pragma once

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "engine/cpu/bf16_pairs.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"

namespace lull::cpu {

// The register tile: as many accumulators as the registers hold beside a row of B and a broadcast of A.
constexpr int kTileRows = HWY_MAX_BYTES >= 64 ? 14 : 6;
constexpr int kTileVectors = 2;
template <class T>
constexpr std::int64_t kTileColumns = kTileVectors* lanes<T>();

constexpr std::int64_t kDepth = 256;    // of k: a sliver of B is 32 KiB
template <class T>
constexpr std::int64_t kColumns = 8 * kTileColumns<T>;    // of B packed at a time by one thread: 256 KiB

constexpr std::int64_t kDepthWorthFetching = 64;    // rows of A shorter than this are fetched by the processor itself
constexpr std::int64_t kTilesOnTheirWay = 4;        // from memory, which takes longer to answer than a narrow tile takes

// Columns of the sliver that begins at column j of n: two vectors, or one where that holds the rest.
template <class T>
std::int64_t sliver_width(std::int64_t j, std::int64_t n) {
    return std::min(kTileColumns<T>, round_up(n - j, lanes<T>()));
}

// What products of E are summed in.
template <class E>
using Sum = std::conditional_t<std::is_same_v<E, Bf16Pair>, float, E>;

template <class V>
HWY_INLINE V multiply_add(V a, V b, V sum) {
    return hn::MulAdd(a, b, sum);
}
HWY_INLINE Vec<float> multiply_add(Vec<Bf16Pair> a, Vec<Bf16Pair> b, Vec<float> sum) { return add_products(a, b, sum); }

// A block of B of some depth, as slivers. That of column j begins at data + j·column_step, its rows row_step apart.
template <class T>
struct Slivers {
    const T* data;
    std::int64_t column_step;
    std::int64_t row_step;    // 0: packed, a row as long as the sliver is wide
};

// Where a tile of C goes: `columns` of it, the rest is padding.
template <class T>
struct Target {
    T* c;
    std::int64_t stride;
    std::int64_t columns;
    GemmEpilogue<T> epilogue;
};

// The first element of a (rows, columns) part of a matrix.
template <class T>
const T* element(const MatrixView<T>& x, std::int64_t i, std::int64_t j) {
    return x.data + (x.transposed ? j * x.stride + i : i * x.stride + j);
}

template <class T>
MatrixView<T> part(const MatrixView<T>& x, std::int64_t i, std::int64_t j) {
    return {element(x, i, j), x.stride, x.transposed};
}

// The micro-kernel: a tile of C from R rows of A and a sliver of V vectors. kTurned: A is transposed.
template <class E, int R, int V, bool kTurned>
void multiply_tile(std::int64_t depth, const E* a, std::int64_t a_stride, const E* HWY_RESTRICT b, std::int64_t b_step,
                   const Target<Sum<E>>& to) {
    using T = Sum<E>;
    const Tag<T> d;
    Vec<T> sum[R][V];
#pragma GCC unroll 16
    for (auto& row : sum)
        for (Vec<T>& element : row) element = hn::Zero(d);

    // An address is a pointer and 0, 1 or 2 strides: one pointer for three rows, or there would be more than registers.
    const E* three_rows[(R + 2) / 3];
    for (int i = 0; i < R; i += 3) three_rows[i / 3] = a + (kTurned ? i : i * a_stride);
    const auto row = [&](int i) { return three_rows[i / 3] + i % 3 * (kTurned ? 1 : a_stride); };
    const auto step = [&] {
        Vec<E> b_p[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) b_p[v] = hn::LoadU(Tag<E>(), b + v * lanes<T>());
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<E> a_i = hn::Set(Tag<E>(), *row(i));
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) sum[i][v] = multiply_add(a_i, b_p[v], sum[i][v]);
        }
#pragma GCC unroll 16
        for (const E*& rows : three_rows) rows += kTurned ? a_stride : 1;
        b += b_step;
    };
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
        for (int v = 0; v < V; ++v)
            if (V > 1) hwy::Prefetch(to.c + i * to.stride + v * lanes<T>());
    std::int64_t p = 0;
    if constexpr (!kTurned) {
        constexpr int kLine = 64 / sizeof(E);
        for (; depth > kDepthWorthFetching && p + kLine <= depth; p += kLine) {
#pragma GCC unroll 16
            for (int i = 0; i < R; ++i) {
                hwy::Prefetch(row(i) + R * a_stride);
                if (V == 1) __builtin_prefetch(row(i) + kTilesOnTheirWay * R * a_stride, 0, 2);    // into the second cache
            }
            for (int q = 0; q < kLine; ++q) step();
        }
    }
    for (; p < depth; ++p) {
        if constexpr (kTurned)
            for (int v = 0; v < V; ++v) hwy::Prefetch(b + (V + v) * lanes<T>());
        step();
    }

    const auto write = [&](int v, auto lane) {
        T* const c = to.c + v * lanes<T>();
        if (to.epilogue.bias) {
            const Vec<T> bias = lane.load(to.epilogue.bias + v * lanes<T>());
#pragma GCC unroll 16
            for (int i = 0; i < R; ++i) sum[i][v] = hn::Add(sum[i][v], bias);
        }
        if (to.epilogue.add) {
#pragma GCC unroll 16
            for (int i = 0; i < R; ++i) sum[i][v] = hn::Add(sum[i][v], lane.load(c + i * to.stride));
        }
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) lane.store(sum[i][v], c + i * to.stride);
    };
    if constexpr (V == 2) write(0, Whole<T>{});
    const std::int64_t rest = to.columns - (V - 1) * lanes<T>();
    if (rest == lanes<T>())
        write(V - 1, Whole<T>{});
    else
        write(V - 1, First<T>{static_cast<int>(rest)});
}

template <class E>
using Kernel = void (*)(std::int64_t, const E*, std::int64_t, const E*, std::int64_t, const Target<Sum<E>>&);

// The kernel for R rows and V vectors is at [R - 1][V - 1].
template <class E, bool kTurned>
inline constexpr auto kKernels = []<int... r>(std::integer_sequence<int, r...>) {
    return std::array<std::array<Kernel<E>, kTileVectors>, kTileRows>{
        {{multiply_tile<E, r + 1, 1, kTurned>, multiply_tile<E, r + 1, 2, kTurned>}...}};
}
(std::make_integer_sequence<int, kTileRows>());

// C (+)= A B for the columns [0, n) that the slivers hold, and one block of k. A's tiles are of equal height, as far as m
// allows: a last one of a row or two would cost as much as one of five.
template <class E>
void multiply_block(std::int64_t m, std::int64_t n, std::int64_t depth, const MatrixView<E>& a, const Slivers<E>& b, Sum<E>* c,
                    std::int64_t c_stride, const GemmEpilogue<Sum<E>>& epilogue) {
    using T = Sum<E>;
    const std::int64_t tiles = (m + kTileRows - 1) / kTileRows;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t i = m * tile / tiles, rows = m * (tile + 1) / tiles - i;
        const auto& kernels = (a.transposed ? kKernels<E, true> : kKernels<E, false>)[static_cast<std::size_t>(rows - 1)];
        for (std::int64_t j = 0; j < n; j += kTileColumns<T>) {
            const std::int64_t width = sliver_width<T>(j, n);
            const Target<T> to{.c = c + i * c_stride + j,
                               .stride = c_stride,
                               .columns = std::min(width, n - j),
                               .epilogue = {epilogue.bias ? epilogue.bias + j : nullptr, epilogue.add}};
            kernels[width > lanes<T>()](depth, element(a, i, 0), a.stride, b.data + j * b.column_step,
                                        b.row_step ? b.row_step : width, to);
        }
    }
}

// Calls f(p0, depth, epilogue) for the blocks of k. The sums of later ones are added to those of earlier ones.
template <class T, class F>
void for_each_block(std::int64_t k, const GemmEpilogue<T>& epilogue, const F& f) {
    for (std::int64_t p0 = 0; p0 < k; p0 += kDepth)
        f(p0, std::min(kDepth, k - p0), p0 == 0 ? epilogue : GemmEpilogue<T>{.add = true});
}

// Multiply-adds in a piece of work: some microseconds.
constexpr std::int64_t kPiece = std::int64_t{1} << 18;

// Products so small are not worth waking other threads for.
inline bool is_small(std::int64_t m, std::int64_t n, std::int64_t k) { return m * n * k <= 4 * kPiece; }

// Hands C, (m, n), out to the threads in pieces of some tiles: of rows where there are many, for a tile of A then serves all
// columns while it is in the nearest cache, and else of columns, too. Calls f(i, rows, j, columns).
template <class E, class F>
void for_each_piece(std::int64_t m, std::int64_t n, std::int64_t k, const F& f) {
    if (is_small(m, n, k)) return f(0, m, 0, n);
    const std::int64_t slivers = (n + kTileColumns<E> - 1) / kTileColumns<E>;
    const std::int64_t height = kTileRows * std::max<std::int64_t>(1, kPiece / (kTileRows * n * k));
    const std::int64_t width = kTileColumns<E> * std::clamp<std::int64_t>(kPiece / (kTileRows * kTileColumns<E> * k), 1, slivers);
    const std::int64_t down = (m + height - 1) / height, across = (n + width - 1) / width;
    parallel_for(down * across, [&](std::int64_t piece) {
        const std::int64_t i = m * (piece / across) / down, end = m * (piece / across + 1) / down;
        const std::int64_t j = piece % across * width;
        f(i, end - i, j, std::min(width, n - j));
    });
}

}    // namespace lull::cpu
