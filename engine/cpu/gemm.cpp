// B is packed as slivers, zeros behind the last column, so that the micro-kernel reads it with unit stride; unless it has whole
// vectors of columns and few rows of A meet them. A is not: it would cost as much as it saves where C is narrow.
#include "engine/cpu/gemm.h"

#include <algorithm>

#include "engine/cpu/buffer.h"
#include "engine/cpu/gemm_tile.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/transpose.h"

namespace lull::cpu {
namespace {

constexpr std::int64_t kRowsWorthPacking = 20 * kTileRows;
template <class T>
bool read_in_place(std::int64_t m, const MatrixView<T>& b, std::int64_t n) {
    return m <= kRowsWorthPacking && !b.transposed && n % lanes<T>() == 0;
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

// B is packed once, by all threads.
template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
                   std::int64_t c_stride, const GemmEpilogue<T>& epilogue) {
    if (m == 0 || n == 0) return;
    if (k == 0 || is_small(m, n, k)) return gemm(m, n, k, a, b, c, c_stride, epilogue);
    const std::int64_t padded = round_up(n, lanes<T>()), slivers = (n + kTileColumns<T> - 1) / kTileColumns<T>;
    const bool in_place = read_in_place(m, b, n);
    const Buffer<T> packed(in_place ? 0 : k * padded);    // [block of k][sliver][depth][width]
    if (!in_place) {
        parallel_for((k + kDepth - 1) / kDepth * slivers, [&](std::int64_t i) {
            const std::int64_t p0 = i / slivers * kDepth, j = i % slivers * kTileColumns<T>, depth = std::min(kDepth, k - p0);
            pack_sliver(part(b, p0, j), depth, std::min(kTileColumns<T>, n - j), packed.data() + p0 * padded + j * depth);
        });
    }

    for_each_piece<T>(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
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
