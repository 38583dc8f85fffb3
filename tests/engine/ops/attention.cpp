#include "engine/ops/attention/attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/matmul/matmul.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/ops/softmax/softmax.h"
#include "tests/support/op_case.h"

namespace lull::test {

namespace {

// (N, T, C) → (N, heads, T, C / heads)
Tensor split(const Tensor& x, int heads) { return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2); }

Tensor attention_by_matmul(const Tensor& q, const Tensor& k, const Tensor& v, int heads) {
    const double d = static_cast<double>(q.size(2) / heads);
    const Tensor scores = matmul(split(q, heads), split(k, heads), {.transpose_b = true}) * (1 / std::sqrt(d));
    return matmul(softmax(scores), split(v, heads)).transpose(1, 2).reshape(q.shape());
}

OpCases attention_cases(int heads, std::vector<std::vector<Shape>> shapes, std::string golden = "") {
    return {"attention, heads " + std::to_string(heads),
            [heads](const Inputs& in) { return attention(in[0], in[1], in[2], heads); },
            {.shapes = std::move(shapes), .golden = std::move(golden), .per_image = {0, 1, 2}}};
}

std::vector<Shape> tokens(std::int64_t n, std::int64_t queries, std::int64_t keys, std::int64_t channels) {
    return {{n, queries, channels}, {n, keys, channels}, {n, keys, channels}};
}

}    // namespace

TEST_CASE("attention") {
    run(attention_cases(1, {tokens(1, 1, 1, 1), tokens(2, 9, 9, 5), tokens(2, 7, 20, 64)}));
    run(attention_cases(2, {tokens(2, 16, 16, 16), tokens(1, 33, 17, 6)}, "attention"));
    run(attention_cases(4, {tokens(3, 12, 12, 32)}));
    run(attention_cases(1, {tokens(1, 35, 75, 8)}));    // parts of vectors, and of blocks of keys
    run(attention_cases(3, {tokens(2, 20, 20, 24), tokens(1, 5, 6, 330)}));
    run(attention_cases(1, {tokens(1, 600, 9, 8), tokens(1, 5, 700, 8)}));    // more than one part of an image
}

TEST_CASE("attention with more heads than a block on CUDA has shared memory for") {
    run(attention_cases(200, {tokens(1, 2, 2, 1600)}));
}

TEST_CASE("attention is softmax(q kᵀ / √d) v, written out") {
    const Tensor q = uniform_values({2, 19, 24}, -3, 3, 1, DType::f64), k = uniform_values({2, 37, 24}, -3, 3, 2, DType::f64);
    const Tensor v = uniform_values({2, 37, 24}, -3, 3, 3, DType::f64);
    for (const int heads : {1, 3, 8}) {
        // A few roundings of f64, along sums of 37.
        CHECK(relative_error(attention(q, k, v, heads), attention_by_matmul(q, k, v, heads)) < 1e-13);
    }
}

TEST_CASE("attention over many tokens agrees with f64") {
    const Tensor q = uniform_values({1, 300, 16}, -2, 2, 1, DType::f64), k = uniform_values({1, 1024, 16}, -2, 2, 2, DType::f64);
    const Tensor v = uniform_values({1, 1024, 16}, -2, 2, 3, DType::f64);
    const auto f32 = [](const Tensor& x) { return x.to(DType::f32); };
    // Outputs are averages of 1,024 values, ten times smaller than these: 1e-5 of the largest is 10 roundings.
    CHECK(relative_error(attention(f32(q), f32(k), f32(v), 2), attention_by_matmul(q, k, v, 2)) < 1e-5);
}

TEST_CASE("attention with large scores is the value of the best key") {
    const Tensor q = from_values({300, -300}, {1, 2, 1}), k = from_values({-1, 0.5, 1}, {1, 3, 1}),
                 v = from_values({1, 2, 3}, {1, 3, 1});
    const auto y = attention(q, k, v, 1).values();
    CHECK(y[0] == 3);
    CHECK(y[1] == 1);
}

TEST_CASE("attention keeps the same bits whether it records or not") {
    Tensor q = uniform_values({2, 10, 8}, -1, 1, 1);
    const Tensor k = uniform_values({2, 10, 8}, -1, 1, 2), v = uniform_values({2, 10, 8}, -1, 1, 3);
    const Tensor quiet = attention(q, k, v, 2);
    CHECK(same_bits(attention(q.requires_grad(), k, v, 2), quiet));
}

TEST_CASE("attention of one tensor with itself adds up three gradients") {
    Tensor x = uniform_values({2, 10, 8}, -1, 1, 1, DType::f64);
    Tensor q = x.clone(), k = x.clone(), v = x.clone();
    sum(attention(x.requires_grad(), x, x, 2)).backward();
    sum(attention(q.requires_grad(), k.requires_grad(), v.requires_grad(), 2)).backward();
    CHECK(relative_error(x.grad(), q.grad() + k.grad() + v.grad()) < 1e-14);    // two roundings
}

TEST_CASE("attention says what it expected") {
    const Tensor x = zeros({2, 4, 6});
    CHECK_THROWS_WITH(attention(x, x, x, 4), "[attention] expected a number of heads that divides the 6 channels, got 4");
    CHECK_THROWS_WITH(attention(x, zeros({2, 4, 5}), x, 2),
                      "[attention] expected k (2, S, 6) for q f32 (2, 4, 6), got f32 (2, 4, 5)");
    CHECK_THROWS_WITH(attention(x, x, zeros({2, 3, 6}), 2), "[attention] expected v like k f32 (2, 4, 6), got f32 (2, 3, 6)");
    CHECK_THROWS_WITH(attention(zeros({4, 6}), x, x, 2), "[attention] expected q (N, T, C), got f32 (4, 6)");
}

}    // namespace lull::test
