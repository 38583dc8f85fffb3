// Both matrices are rounded and packed, as pairs of neighbours along k; then it is the multiplication of gemm.cpp over half as
// many steps, by a micro-kernel that does twice as much in each.
#include <algorithm>

#include "engine/cpu/buffer.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/gemm_tile.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/transpose.h"

namespace lull::cpu {
namespace {

using View = MatrixView<float>;

constexpr std::int64_t kRows = 8 * kTileRows;    // of A, or columns, packed by one piece of work
constexpr std::int64_t kWidth = kTileColumns<Bf16Pair>;

// Row 2p of a matrix of k rows from column j on, and the row behind it, as a row of n pairs.
void pair_rows(const View& x, std::int64_t k, std::int64_t p, std::int64_t j, std::int64_t n, Bf16Pair* to) {
    pairs_of_rows(element(x, 2 * p, j), 2 * p + 1 < k ? element(x, 2 * p + 1, j) : nullptr, n, to);
}

// Packs pairs [p0, p0 + depth) of the columns [j, j + kWidth) of B, (k, n), as a sliver.
void pack_sliver(const View& b, std::int64_t k, std::int64_t n, std::int64_t p0, std::int64_t depth, std::int64_t j,
                 Bf16Pair* out) {
    const std::int64_t width = sliver_width<Bf16Pair>(j, n), columns = std::min(width, n - j);
    if (columns < width) std::fill_n(out, depth * width, 0);
    if (!b.transposed) {
        for (std::int64_t p = 0; p < depth; ++p) pair_rows(b, k, p0 + p, j, columns, out + p * width);
        return;
    }
    Scratch scratch;    // the columns as rows of pairs, (lanes, depth)
    Bf16Pair* const rows = scratch.take<Bf16Pair>(lanes<Bf16Pair>() * depth);
    const std::int64_t length = std::min(2 * depth, k - 2 * p0);
    for (std::int64_t first = 0; first < width; first += lanes<Bf16Pair>()) {
        for (std::int64_t i = 0; i < lanes<Bf16Pair>(); ++i) {
            if (first + i < columns)
                pairs_of_neighbours(element(b, 2 * p0, j + first + i), length, rows + i * depth);
            else
                std::fill_n(rows + i * depth, depth, 0);
        }
        transpose(rows, depth, depth, out + first, width);
    }
}

}    // namespace

void parallel_gemm_bf16(std::int64_t m, std::int64_t n, std::int64_t k, const View& a, const View& b, float* c,
                        std::int64_t c_stride, const GemmEpilogue<float>& epilogue) {
    if (m == 0 || n == 0) return;
    if (k == 0) return gemm(m, n, k, a, b, c, c_stride, epilogue);
    const std::int64_t pairs = (k + 1) / 2, padded = round_up(n, lanes<Bf16Pair>()), slivers = (n + kWidth - 1) / kWidth;
    const Buffer<Bf16Pair> a_packed(m * pairs);         // (m, pairs), or (pairs, m) where A is transposed
    const Buffer<Bf16Pair> b_packed(pairs * padded);    // [block of k][sliver][depth][width]
    const std::int64_t b_pieces = (pairs + kDepth - 1) / kDepth * slivers;
    const std::int64_t a_rows = a.transposed ? pairs : m, a_pieces = (a_rows + kRows - 1) / kRows;
    const auto pack = [&](std::int64_t piece) {
        if (piece < b_pieces) {
            const std::int64_t p0 = piece / slivers * kDepth, j = piece % slivers * kWidth, depth = std::min(kDepth, pairs - p0);
            return pack_sliver(b, k, n, p0, depth, j, b_packed.data() + p0 * padded + j * depth);
        }
        const std::int64_t begin = (piece - b_pieces) * kRows, end = std::min(a_rows, begin + kRows);
        for (std::int64_t i = begin; i < end; ++i) {
            if (a.transposed)
                pairs_of_rows(a.data + 2 * i * a.stride, 2 * i + 1 < k ? a.data + (2 * i + 1) * a.stride : nullptr, m,
                              a_packed.data() + i * m);
            else
                pairs_of_neighbours(element(a, i, 0), k, a_packed.data() + i * pairs);
        }
    };
    if (is_small(m, n, pairs))
        for (std::int64_t piece = 0; piece < b_pieces + a_pieces; ++piece) pack(piece);
    else
        parallel_for(b_pieces + a_pieces, pack);

    const MatrixView<Bf16Pair> a_pairs{a_packed.data(), a.transposed ? m : pairs, a.transposed};
    for_each_piece<Bf16Pair>(m, n, pairs, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
        const GemmEpilogue<float> at_j{epilogue.bias ? epilogue.bias + j : nullptr, epilogue.add};
        for_each_block(pairs, at_j, [&](std::int64_t p0, std::int64_t depth, const GemmEpilogue<float>& at_p0) {
            const Slivers<Bf16Pair> b_columns{b_packed.data() + p0 * padded + j * depth, depth, 0};
            multiply_block(rows, columns, depth, part(a_pairs, i, p0), b_columns, c + i * c_stride + j, c_stride, at_p0);
        });
    });
}

}    // namespace lull::cpu
