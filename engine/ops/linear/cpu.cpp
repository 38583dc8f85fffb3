#include <algorithm>
#include <type_traits>

#include "engine/cpu/bf16_pairs.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/partial_sums.h"
#include "engine/ops/linear/kernels.h"

namespace lull::cpu {

namespace {

// A sum over rows is cut into partial sums by the number of rows alone, so that threads share it where the output is
// small, and its bits depend on the shape only.
constexpr std::int64_t kRowsPerPartial = 1024, kMaxPartials = 16;

std::int64_t partials_of(std::int64_t rows) { return std::clamp<std::int64_t>(rows / kRowsPerPartial, 1, kMaxPartials); }

std::int64_t rows_of(const Tensor& x) {    // also where a row has no elements
    std::int64_t rows = 1;
    for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.size(axis);
    return rows;
}

// target (+)= Σ_p partials[p] in ascending order. partials: (count, n).
template <class T>
void combine(const Tensor& partials, Into target) {
    const std::int64_t count = partials.size(0), n = partials.size(1);
    const T* const from = partials.data<T>();
    T* const to = target.tensor.data<T>();
    parallel_ranges(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
        if (!target.add) std::fill(to + begin, to + end, T(0));
        for (std::int64_t p = 0; p < count; ++p)
            for (std::int64_t i = begin; i < end; ++i) to[i] += from[p * n + i];
    });
}

// Narrower weights are multiplied sooner than rounded, and all are where the processor knows no pairs of bf16. By the weight's
// shape alone, so that rows have the same bits in any company.
constexpr std::int64_t kWorthRounding = 64;
bool worth_rounding(bool as_bf16, std::int64_t in, std::int64_t out) {
    return kHasBf16 && as_bf16 && std::min(in, out) >= kWorthRounding;
}

template <class T>
void multiply(bool as_bf16, std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
              const GemmEpilogue<T>& epilogue) {
    if constexpr (std::is_same_v<T, float>) {
        if (as_bf16) return parallel_gemm_bf16(m, n, k, a, b, c, n, epilogue);
    }
    parallel_gemm<T>(m, n, k, a, b, c, n, epilogue);
}

}    // namespace

void linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, bool as_bf16, Into y) {
    with_compute_dtype("linear", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(x), in = weight.size(1), out = weight.size(0);
        multiply<T>(worth_rounding(as_bf16, in, out), rows, out, in, {x.data<T>(), in}, {weight.data<T>(), in, true},
                    y.tensor.data<T>(), {.bias = bias.defined() ? bias.data<T>() : nullptr, .add = y.add});
    });
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, bool as_bf16, Into dx) {
    with_compute_dtype("linear", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(dy), in = weight.size(1), out = weight.size(0);
        multiply<T>(worth_rounding(as_bf16, in, out), rows, in, out, {dy.data<T>(), out}, {weight.data<T>(), in},
                    dx.tensor.data<T>(), {.add = dx.add});
    });
}

void linear_backward_weight(const Tensor& x, const Tensor& dy, bool as_bf16, Into dweight) {
    with_compute_dtype("linear", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(x), in = x.size(-1), out = dy.size(-1), count = partials_of(rows);
        const T* const x_data = x.data<T>();
        const T* const dy_data = dy.data<T>();
        const bool rounds = worth_rounding(as_bf16, in, out);
        if (count == 1 || rounds) {
            multiply<T>(rounds, out, in, rows, {dy_data, out, true}, {x_data, in}, dweight.tensor.data<T>(),
                        {.add = dweight.add});
            return;
        }
        Tensor partials = empty({count, out * in}, x.dtype());
        T* const sums = partials.data<T>();
        parallel_for(count, [&](std::int64_t p) {
            const std::int64_t begin = p * rows / count, end = (p + 1) * rows / count;
            gemm<T>(out, in, end - begin, {dy_data + begin * out, out, true}, {x_data + begin * in, in}, sums + p * out * in, in);
        });
        combine<T>(partials, dweight);
    });
}

void linear_backward_bias(const Tensor& dy, Into dbias) {
    with_compute_dtype("linear", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t rows = rows_of(dy), out = dy.size(-1), count = partials_of(rows);
        const T* const dy_data = dy.data<T>();
        Tensor partials = empty({count, out}, dy.dtype());
        T* const sums = partials.data<T>();
        parallel_for(count, [&](std::int64_t p) {
            const std::int64_t begin = p * rows / count, end = (p + 1) * rows / count;
            for_each_vector<T>(out, [&](std::int64_t j, auto lane) {
                lane.store(
                    sum_in_order<T>(end - begin, [&](std::int64_t r) { return lane.load(dy_data + (begin + r) * out + j); }),
                    sums + p * out + j);
            });
        });
        combine<T>(partials, dbias);
    });
}

}    // namespace lull::cpu
