// C is computed in register tiles: up to kTileRows rows of A times a sliver of B, one or two vectors wide, along a block of k.
// Slivers are packed, zeros behind the last column, so that the micro-kernel reads them with unit stride; unless B has whole
// vectors of columns and too few rows of A meet them. A is read where it lies, one broadcast at a time: its rows (or columns)
// are as many streams as the tile has rows, and packing would cost as much as it saves where C is narrow. What lies apart
// in memory is fetched ahead: the next tile's rows of A, the next sliver of an unpacked B, and the tile of C.
#include "engine/cpu/gemm.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/cpu/buffer.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/transpose.h"

namespace lull::cpu {
namespace {

// The register tile: as many accumulators as the registers hold beside a row of B and a broadcast of A.
constexpr int kTileRows = HWY_MAX_BYTES >= 64 ? 14 : 6;
constexpr int kTileVectors = 2;
template <class T>
constexpr std::int64_t kTileColumns = kTileVectors* lanes<T>();

constexpr std::int64_t kDepth = 256;    // of k: a sliver of B is 32 KiB
template <class T>
constexpr std::int64_t kColumns = 8 * kTileColumns<T>;    // of B packed at a time by one thread: 256 KiB

constexpr std::int64_t kRowsWorthPacking = 20 * kTileRows;
constexpr std::int64_t kDepthWorthFetching = 64;    // rows of A shorter than this are fetched by the processor itself

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// Columns of the sliver that begins at column j of n: two vectors, or one where that holds the rest.
template <class T>
std::int64_t sliver_width(std::int64_t j, std::int64_t n) {
    return std::min(kTileColumns<T>, round_up(n - j, lanes<T>()));
}

// A block of B of some depth, as slivers. That of column j begins at data + j·column_step, its rows row_step apart.
template <class T>
struct Slivers {
    const T* data;
    std::int64_t column_step;
    std::int64_t row_step;    // 0: packed, a row as long as the sliver is wide
};

template <class T>
bool read_in_place(std::int64_t m, const MatrixView<T>& b, std::int64_t n) {
    return m <= kRowsWorthPacking && !b.transposed && n % lanes<T>() == 0;
}

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

// Packs (depth, columns) from b on as a sliver: [depth][width], zeros behind the last column.
template <class T>
void pack_sliver(const MatrixView<T>& b, std::int64_t depth, std::int64_t columns, T* out) {
    const std::int64_t width = sliver_width<T>(0, columns);
    if (columns < width) std::fill_n(out, depth * width, T(0));
    if (!b.transposed) {
        for (std::int64_t p = 0; p < depth; ++p)
            for_each_vector<T>(columns,
                               [&](std::int64_t j, auto lane) { lane.store(lane.load(element(b, p, j)), out + p * width + j); });
        return;
    }
    std::int64_t j = 0;
    for (; j + lanes<T>() <= columns; j += lanes<T>()) transpose(element(b, 0, j), b.stride, depth, out + j, width);
    for (; j < columns; ++j)
        for (std::int64_t p = 0; p < depth; ++p) out[p * width + j] = *element(b, p, j);
}

// The micro-kernel: a tile of C from R rows of A and a sliver of V vectors. kTurned: A is transposed.
template <class T, int R, int V, bool kTurned>
void multiply_tile(std::int64_t depth, const T* a, std::int64_t a_stride, const T* HWY_RESTRICT b, std::int64_t b_step,
                   const Target<T>& to) {
    const Tag<T> d;
    Vec<T> sum[R][V];
#pragma GCC unroll 16
    for (auto& row : sum)
        for (Vec<T>& element : row) element = hn::Zero(d);

    // An address is a pointer and 0, 1 or 2 strides: one pointer for three rows, or there would be more than registers.
    const T* three_rows[(R + 2) / 3];
    for (int i = 0; i < R; i += 3) three_rows[i / 3] = a + (kTurned ? i : i * a_stride);
    const auto row = [&](int i) { return three_rows[i / 3] + i % 3 * (kTurned ? 1 : a_stride); };
    const auto step = [&] {
        Vec<T> b_p[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) b_p[v] = hn::LoadU(d, b + v * lanes<T>());
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Vec<T> a_i = hn::Set(d, *row(i));
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) sum[i][v] = hn::MulAdd(a_i, b_p[v], sum[i][v]);
        }
#pragma GCC unroll 16
        for (const T*& rows : three_rows) rows += kTurned ? a_stride : 1;
        b += b_step;
    };
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
        for (int v = 0; v < V; ++v)
            if (V > 1) hwy::Prefetch(to.c + i * to.stride + v * lanes<T>());
    std::int64_t p = 0;
    if constexpr (!kTurned) {
        constexpr int kLine = 64 / sizeof(T);
        for (; depth > kDepthWorthFetching && p + kLine <= depth; p += kLine) {
#pragma GCC unroll 16
            for (int i = 0; i < R; ++i) hwy::Prefetch(row(i) + R * a_stride);
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

template <class T>
using Kernel = void (*)(std::int64_t, const T*, std::int64_t, const T*, std::int64_t, const Target<T>&);

// The kernel for R rows and V vectors is at [R - 1][V - 1].
template <class T, bool kTurned>
constexpr auto kKernels = []<int... r>(std::integer_sequence<int, r...>) {
    return std::array<std::array<Kernel<T>, kTileVectors>, kTileRows>{
        {{multiply_tile<T, r + 1, 1, kTurned>, multiply_tile<T, r + 1, 2, kTurned>}...}};
}
(std::make_integer_sequence<int, kTileRows>());

// C (+)= A B for the columns [0, n) that the slivers hold, and one block of k. A's tiles are of equal height, as far as m
// allows: a last one of a row or two would cost as much as one of five.
template <class T>
void multiply_block(std::int64_t m, std::int64_t n, std::int64_t depth, const MatrixView<T>& a, const Slivers<T>& b, T* c,
                    std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    const std::int64_t tiles = (m + kTileRows - 1) / kTileRows;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
        const std::int64_t i = m * tile / tiles, rows = m * (tile + 1) / tiles - i;
        const auto& kernels = (a.transposed ? kKernels<T, true> : kKernels<T, false>)[static_cast<std::size_t>(rows - 1)];
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

template <class T>
void write_bias(std::int64_t m, std::int64_t n, T* c, std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            const T bias = epilogue.bias ? epilogue.bias[j] : T(0);
            c[i * c_stride + j] = epilogue.add ? c[i * c_stride + j] + bias : bias;
        }
    }
}

// A block of B, packed. One per thread: gemm neither allocates nor throws.
template <class T>
T* packed_block() {
    struct Block {
        alignas(64) T b[kDepth * kColumns<T>];
    };
    static thread_local Block block;
    return block.b;
}

// Multiply-adds in a piece of work: some microseconds.
constexpr std::int64_t kPiece = std::int64_t{1} << 18;

}    // namespace

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
          std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    if (k == 0) return write_bias(m, n, c, c_stride, epilogue);
    if (read_in_place(m, b, n)) {
        for_each_block(k, epilogue, [&](std::int64_t p0, std::int64_t depth, const GemmEpilogue<T>& at_p0) {
            multiply_block(m, n, depth, part(a, 0, p0), Slivers<T>{element(b, p0, 0), 1, b.stride}, c, c_stride, at_p0);
        });
        return;
    }
    T* const packed = packed_block<T>();
    for (std::int64_t j0 = 0; j0 < n; j0 += kColumns<T>) {
        const std::int64_t columns = std::min(kColumns<T>, n - j0);
        const MatrixView<T> b_columns = part(b, 0, j0);
        const GemmEpilogue<T> at_j0{epilogue.bias ? epilogue.bias + j0 : nullptr, epilogue.add};
        for_each_block(k, at_j0, [&](std::int64_t p0, std::int64_t depth, const GemmEpilogue<T>& at_p0) {
            for (std::int64_t j = 0; j < columns; j += kTileColumns<T>)
                pack_sliver(part(b_columns, p0, j), depth, std::min(kTileColumns<T>, columns - j), packed + j * depth);
            multiply_block(m, columns, depth, part(a, 0, p0), Slivers<T>{packed, depth, 0}, c + j0, c_stride, at_p0);
        });
    }
}

// B is packed once, by all threads, and C handed out in pieces of some tiles: of rows where there are many, for a tile of A
// then serves all columns while it is in the nearest cache, and else of columns, too.
template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
                   std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    if (m == 0 || n == 0) return;
    if (k == 0 || m * n * k <= 4 * kPiece) return gemm(m, n, k, a, b, c, c_stride, epilogue);
    const std::int64_t padded = round_up(n, lanes<T>()), slivers = (n + kTileColumns<T> - 1) / kTileColumns<T>;
    const bool in_place = read_in_place(m, b, n);
    const Buffer<T> packed(in_place ? 0 : k * padded);    // [block of k][sliver][depth][width]
    if (!in_place) {
        parallel_for((k + kDepth - 1) / kDepth * slivers, [&](std::int64_t i) {
            const std::int64_t p0 = i / slivers * kDepth, j = i % slivers * kTileColumns<T>, depth = std::min(kDepth, k - p0);
            pack_sliver(part(b, p0, j), depth, std::min(kTileColumns<T>, n - j), packed.data() + p0 * padded + j * depth);
        });
    }

    const std::int64_t height = kTileRows * std::max<std::int64_t>(1, kPiece / (kTileRows * n * k));
    const std::int64_t width = kTileColumns<T> * std::clamp<std::int64_t>(kPiece / (kTileRows * kTileColumns<T> * k), 1, slivers);
    const std::int64_t down = (m + height - 1) / height, across = (n + width - 1) / width;
    parallel_for(down * across, [&](std::int64_t piece) {
        const std::int64_t i = m * (piece / across) / down, rows = m * (piece / across + 1) / down - i;
        const std::int64_t j = piece % across * width, columns = std::min(width, n - j);
        const GemmEpilogue<T> at_j{epilogue.bias ? epilogue.bias + j : nullptr, epilogue.add};
        for_each_block(k, at_j, [&](std::int64_t p0, std::int64_t depth, const GemmEpilogue<T>& at_p0) {
            const Slivers<T> b_columns = in_place ? Slivers<T>{element(b, p0, j), 1, b.stride}
                                                  : Slivers<T>{packed.data() + p0 * padded + j * depth, depth, 0};
            multiply_block(rows, columns, depth, part(a, i, p0), b_columns, c + i * c_stride + j, c_stride, at_p0);
        });
    });
}

template void gemm(std::int64_t, std::int64_t, std::int64_t, const MatrixView<float>&, const MatrixView<float>&, float*,
                   std::int64_t, const GemmEpilogue<float>&);
template void gemm(std::int64_t, std::int64_t, std::int64_t, const MatrixView<double>&, const MatrixView<double>&, double*,
                   std::int64_t, const GemmEpilogue<double>&);
template void parallel_gemm(std::int64_t, std::int64_t, std::int64_t, const MatrixView<float>&, const MatrixView<float>&, float*,
                            std::int64_t, const GemmEpilogue<float>&);
template void parallel_gemm(std::int64_t, std::int64_t, std::int64_t, const MatrixView<double>&, const MatrixView<double>&,
                            double*, std::int64_t, const GemmEpilogue<double>&);

}    // namespace lull::cpu
