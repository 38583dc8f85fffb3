// C is computed in blocks: a (kDepth × kColumns) block of B is packed into slivers as wide as a register tile, zero-padded at
// the edge, so that the micro-kernel reads it with unit stride. A is read where it lies, one broadcast at a time: its rows (or
// columns) are as many streams as the tile has rows, and packing would cost as much as it saves where C is narrow.
#include "engine/cpu/gemm.h"

#include <algorithm>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"

namespace lull::cpu {
namespace {

// The register tile: as many accumulators as the registers hold beside a row of B and a broadcast of A.
constexpr int kTileRows = HWY_MAX_BYTES >= 64 ? 14 : 6;
constexpr int kTileVectors = 2;
template <class T>
constexpr int kTileColumns = kTileVectors* lanes<T>();

constexpr std::int64_t kDepth = 256;    // of k: a sliver of B is 32 KiB
template <class T>
constexpr std::int64_t kColumns = 8 * kTileColumns<T>;    // of B's block: 256 KiB

// A block of B, packed. One per thread: gemm neither allocates nor throws.
template <class T>
struct Packed {
    alignas(64) T b[kDepth * kColumns<T>];
};
template <class T>
T* packed_b() {
    static thread_local Packed<T> block;
    return block.b;
}

// Copies a (depth, columns) block, whose element (p, j) is data[p·row_step + j·column_step], into slivers of kTileColumns:
// [sliver][depth][kTileColumns], zeros behind the last column.
template <class T>
void pack(const T* data, std::int64_t row_step, std::int64_t column_step, std::int64_t depth, std::int64_t columns, T* out) {
    constexpr std::int64_t kWidth = kTileColumns<T>;
    for (std::int64_t begin = 0; begin < columns; begin += kWidth) {
        const std::int64_t valid = std::min(kWidth, columns - begin);
        const T* from = data + begin * column_step;
        for (std::int64_t p = 0; p < depth; ++p, from += row_step, out += kWidth) {
            if (column_step == 1)
                std::copy_n(from, valid, out);
            else
                for (std::int64_t j = 0; j < valid; ++j) out[j] = from[j * column_step];
            std::fill(out + valid, out + kWidth, T(0));
        }
    }
}

// Rows of A as the micro-kernel reads them: element (i, p) is data[row[i] + p·step]. Rows behind the last repeat it.
template <class T>
struct TileRows {
    const T* data;
    std::int64_t row[kTileRows];
    std::int64_t step;
};

// A register tile: kTileRows rows of A times a sliver of B [depth][kTileColumns] → [kTileRows][kTileColumns].
template <class T>
void multiply_sliver(std::int64_t depth, const TileRows<T>& a, const T* HWY_RESTRICT b, T* HWY_RESTRICT tile) {
    const Tag<T> d;
    const T* a_p = a.data;
    Vec<T> sum[kTileRows][kTileVectors];
#pragma GCC unroll 16
    for (auto& row : sum) row[0] = row[1] = hn::Zero(d);
    for (std::int64_t p = 0; p < depth; ++p, a_p += a.step, b += kTileColumns<T>) {
        const Vec<T> b0 = hn::Load(d, b), b1 = hn::Load(d, b + lanes<T>());
#pragma GCC unroll 16
        for (int i = 0; i < kTileRows; ++i) {
            const Vec<T> a_i = hn::Set(d, a_p[a.row[i]]);
            sum[i][0] = hn::MulAdd(a_i, b0, sum[i][0]);
            sum[i][1] = hn::MulAdd(a_i, b1, sum[i][1]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) {
        hn::Store(sum[i][0], d, tile + i * kTileColumns<T>);
        hn::Store(sum[i][1], d, tile + i * kTileColumns<T> + lanes<T>());
    }
}

// C's part of the tile: (rows, columns) of it. The sums of later blocks of k are added to those of earlier ones.
template <class T>
void write_tile(const T* tile, std::int64_t rows, std::int64_t columns, T* c, std::int64_t c_stride, const T* bias, bool add) {
    for (std::int64_t i = 0; i < rows; ++i, tile += kTileColumns<T>, c += c_stride) {
        for_each_vector<T>(columns, [&](std::int64_t j, auto lane) {
            Vec<T> value = hn::Load(Tag<T>(), tile + j);
            if (bias) value = hn::Add(value, lane.load(bias + j));
            if (add) value = hn::Add(value, lane.load(c + j));
            lane.store(value, c + j);
        });
    }
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

}    // namespace

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
          std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    if (k == 0) return write_bias(m, n, c, c_stride, epilogue);
    constexpr std::int64_t kWidth = kTileColumns<T>;
    T* const b_block = packed_b<T>();
    alignas(64) T tile[kTileRows * kWidth];
    const std::int64_t a_row = a.transposed ? 1 : a.stride, a_column = a.transposed ? a.stride : 1;
    const std::int64_t b_row = b.transposed ? 1 : b.stride, b_column = b.transposed ? b.stride : 1;

    for (std::int64_t j0 = 0; j0 < n; j0 += kColumns<T>) {
        const std::int64_t columns = std::min(kColumns<T>, n - j0);
        for (std::int64_t p0 = 0; p0 < k; p0 += kDepth) {
            const std::int64_t depth = std::min(kDepth, k - p0);
            const bool first = p0 == 0;
            pack(b.data + p0 * b_row + j0 * b_column, b_row, b_column, depth, columns, b_block);
            for (std::int64_t i0 = 0; i0 < m; i0 += kTileRows) {
                const std::int64_t rows = std::min<std::int64_t>(kTileRows, m - i0);
                TileRows<T> a_rows{.data = a.data + i0 * a_row + p0 * a_column, .row = {}, .step = a_column};
                for (std::int64_t i = 0; i < kTileRows; ++i) a_rows.row[i] = std::min(i, rows - 1) * a_row;
                for (std::int64_t j = 0; j < columns; j += kWidth) {
                    multiply_sliver(depth, a_rows, b_block + j * depth, tile);
                    write_tile(tile, rows, std::min(kWidth, columns - j), c + i0 * c_stride + j0 + j, c_stride,
                               first && epilogue.bias ? epilogue.bias + j0 + j : nullptr, !first || epilogue.add);
                }
            }
        }
    }
}

template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
                   std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    // Tall pieces, so that packing B again for each costs little; narrow ones only where C has few rows.
    const std::int64_t height = 32 * kTileRows;
    const std::int64_t width = m > height ? n : kTileColumns<T>;
    const std::int64_t across = n == 0 ? 0 : (n + width - 1) / width, down = (m + height - 1) / height;
    parallel_for(across * down, [&](std::int64_t piece) {
        const std::int64_t i = piece / across * height, j = piece % across * width;
        const MatrixView<T> a_rows{a.data + i * (a.transposed ? 1 : a.stride), a.stride, a.transposed};
        const MatrixView<T> b_columns{b.data + j * (b.transposed ? b.stride : 1), b.stride, b.transposed};
        gemm(std::min(height, m - i), std::min(width, n - j), k, a_rows, b_columns, c + i * c_stride + j, c_stride,
             GemmEpilogue<T>{epilogue.bias ? epilogue.bias + j : nullptr, epilogue.add});
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
