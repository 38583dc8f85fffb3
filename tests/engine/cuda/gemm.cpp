// Products of matrices in device memory, in all the ways that operations ask for: transposed, with gaps between rows, in batches
// that share an operand, of bf16 into f32, with bias, added to what is there, and of nothing.
#ifdef LULL_WITH_CUDA
#include "engine/cuda/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/cuda/runtime.h"
#include "engine/ops/linear/kernels.h"
#include "tests/support/op_case.h"

namespace lull::test {

namespace {

constexpr std::int64_t kBatch = 3, m = 5, n = 11, k = 18, kGap = 3;    // kGap: unused elements behind each row

// One way to multiply.
struct Way {
    DType in, out;
    bool a_transposed = false, b_transposed = false, bias = false, add = false, one_b = false;
    std::int64_t inner = k;
};

// (batch, rows, columns + kGap) of random values, of which the last kGap of a row are no part of the matrix.
Tensor matrices(std::int64_t batch, std::int64_t rows, std::int64_t columns, unsigned number, DType dtype) {
    return uniform_values({batch, rows, columns + kGap}, -1, 1, number).to(dtype);
}

// C in f64 from the definition.
std::vector<double> by_loops(const Way& way, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& before) {
    const auto A = a.values(), B = b.values(), added = bias.values();
    std::vector<double> C = before.values();
    const auto at = [](const std::vector<double>& x, const Tensor& t, std::int64_t batch, std::int64_t i, std::int64_t j,
                       bool turned) {
        if (turned) std::swap(i, j);
        return x[static_cast<std::size_t>((batch * t.size(1) + i) * t.size(2) + j)];
    };
    for (std::int64_t batch = 0; batch < kBatch; ++batch)
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j) {
                double& c = C[static_cast<std::size_t>((batch * m + i) * (n + kGap) + j)];
                double sum = (way.add ? c : 0) + (way.bias ? added[static_cast<std::size_t>(j)] : 0);
                for (std::int64_t l = 0; l < way.inner; ++l)
                    sum += at(A, a, batch, i, l, way.a_transposed) * at(B, b, way.one_b ? 0 : batch, l, j, way.b_transposed);
                c = sum;
            }
    return C;
}

void check_product(const Way& way) {
    const Tensor a = way.a_transposed ? matrices(kBatch, way.inner, m, 1, way.in) : matrices(kBatch, m, way.inner, 1, way.in);
    const std::int64_t bs = way.one_b ? 1 : kBatch;
    const Tensor b = way.b_transposed ? matrices(bs, n, way.inner, 2, way.in) : matrices(bs, way.inner, n, 2, way.in);
    const Tensor bias = uniform_values({n}, -1, 1, 3).to(way.out), before = matrices(kBatch, m, n, 4, way.out);
    const Tensor a_there = a.to(Device::cuda), b_there = b.to(Device::cuda), bias_there = bias.to(Device::cuda);
    const Tensor c = before.to(Device::cuda);
    const auto step = [](const Tensor& t) { return t.size(0) == 1 ? 0 : t.size(1) * t.size(2); };
    cuda::gemm(m, n, way.inner, way.in,
               {.data = a_there.raw(), .stride = a.size(2), .transposed = way.a_transposed, .step = step(a)},
               {.data = b_there.raw(), .stride = b.size(2), .transposed = way.b_transposed, .step = step(b)},
               {.data = c.raw(),
                .dtype = way.out,
                .stride = n + kGap,
                .step = step(c),
                .bias = way.bias ? bias_there.raw() : nullptr,
                .add = way.add},
               kBatch);
    // 18 products in f32; bf16 is rounded once.
    const Tensor wanted = from_values(by_loops(way, a, b, bias, before), before.shape(), DType::f64);
    CHECK(relative_error(c, wanted) <= (way.out == DType::bf16 ? 0x1p-8 : 1e-6));
    CHECK(same_bits(c.slice(2, n, n + kGap), before.slice(2, n, n + kGap)));
}

}    // namespace

TEST_CASE("products on CUDA in every type, transposed or not, with bias, and added") {
    if (!cuda::available()) return;
    struct Types {
        DType in, out;
    };
    for (const Types types : {Types{DType::f32, DType::f32}, Types{DType::bf16, DType::bf16}, Types{DType::bf16, DType::f32}}) {
        for (int flags = 0; flags < 16; ++flags) {
            CAPTURE(types.in);
            CAPTURE(types.out);
            CAPTURE(flags);
            check_product({.in = types.in,
                           .out = types.out,
                           .a_transposed = (flags & 1) != 0,
                           .b_transposed = (flags & 2) != 0,
                           .bias = (flags & 4) != 0,
                           .add = (flags & 8) != 0});
        }
        check_product({.in = types.in, .out = types.out, .one_b = true});
        check_product({.in = types.in, .out = types.out, .bias = true, .inner = 0});    // an empty sum
        check_product({.in = types.in, .out = types.out, .add = true, .inner = 0});
    }
}

TEST_CASE("linear on CUDA rounds f32 to bf16 where it is asked to") {
    if (!cuda::available()) return;
    const auto there = [](const Tensor& t) { return t.to(Device::cuda); };
    const Tensor x = uniform_values({7, 20}, -1, 1, 1), w = uniform_values({9, 20}, -1, 1, 2),
                 dy = uniform_values({7, 9}, -1, 1, 3);
    const auto evaluate = [&](bool as_bf16, auto&& rounded) {
        const Tensor x_there = rounded(there(x)), w_there = rounded(there(w)), dy_there = rounded(there(dy));
        std::vector<Tensor> results{empty_like(there(dy)), empty_like(there(x)), empty_like(there(w))};
        cuda::linear_forward(x_there, w_there, {}, as_bf16, {results[0]});
        cuda::linear_backward_input(w_there, dy_there, as_bf16, {results[1]});
        cuda::linear_backward_weight(x_there, dy_there, as_bf16, {results[2]});
        return results;
    };
    const auto asked = evaluate(true, [](const Tensor& t) { return t; });
    const auto before = evaluate(false, [](const Tensor& t) { return t.to(DType::bf16).to(DType::f32); });
    for (std::size_t i = 0; i < asked.size(); ++i) CHECK(relative_error(asked[i], before[i]) <= 1e-6);
}

}    // namespace lull::test
#endif
