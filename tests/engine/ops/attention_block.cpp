#include "engine/ops/attention_block/attention_block.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/op_case.h"

namespace lull::test {

namespace {

// A key's bias moves all scores of a query alike, so that nothing depends on it: its gradient is 0.
constexpr int kQueryBias = 4, kKeyBias = 6;

// x and the ten weights, as the golden values have them.
AttentionBlockWeights weights_of(const Inputs& in) {
    return {in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], in[9], in[10]};
}

std::vector<Shape> shapes_for(const Shape& x) {
    const std::int64_t c = x[-1];
    return {x, {c}, {c}, {c, c}, {c}, {c, c}, {c}, {c, c}, {c}, {c, c}, {c}};
}

Inputs inputs_for(const Shape& x) {
    Inputs inputs;
    for (const Shape& shape : shapes_for(x)) {
        const double width = shape.rank() == 2 ? 1 / std::sqrt(static_cast<double>(shape[1])) : 1;
        inputs.push_back(uniform_values(shape, -width, width, static_cast<unsigned>(inputs.size())));
    }
    return inputs;
}

Inputs as(DType dtype, Inputs inputs) {
    for (Tensor& x : inputs) x = x.to(dtype);
    return inputs;
}

struct Evaluation {
    Tensor y;
    std::vector<Tensor> grads;
};

template <class Op>
Evaluation evaluate(const Op& op, Inputs inputs, const AttentionBlockOptions& options, const Tensor& grad_out) {
    for (Tensor& x : inputs) x.requires_grad();
    Evaluation result{op(inputs[0], weights_of(inputs), options), {}};
    sum(result.y * grad_out).backward();
    for (const Tensor& x : inputs) result.grads.push_back(x.grad());
    return result;
}

void check_close(const Evaluation& got, const Evaluation& wanted, double tolerance) {
    CHECK(relative_error(got.y, wanted.y) <= tolerance);
    for (std::size_t i = 0; i < wanted.grads.size(); ++i) {
        CAPTURE(i);
        // What rounding leaves of the key bias's gradient is measured against the query bias's.
        const auto shown = [i](const Evaluation& e) { return i == kKeyBias ? e.grads[i] + e.grads[kQueryBias] : e.grads[i]; };
        CHECK(relative_error(shown(got), shown(wanted)) <= tolerance);
    }
}

}    // namespace

TEST_CASE("attention block") {
    const AttentionBlockOptions options{.groups = 4, .heads = 2};
    run({"attention block",
         [&](const Inputs& in) { return attention_block(in[0], weights_of(in), options); },
         // In [-1, 1) scores stay small enough for central differences. Groups of two channels over few pixels amplify
         // roundings by 1/σ: 2e-5 is some 300 of them. On CUDA, all that passes between the parts is bf16 where x is: n, q, k, v,
         // what attention gives, and their gradients, 2^-9 each; and with two tokens the gradient of a score is the difference of
         // two numbers that are larger than it.
         {.shapes = {shapes_for({1, 1, 2, 8}), shapes_for({3, 3, 4, 8}), shapes_for({2, 5, 5, 12})},
          .low = -1,
          .high = 1,
          .no_gradient = {kKeyBias},    // it is 0, and has no relative error
          .per_image = {0},
          .tolerance = 2e-5,
          .bf16_tolerance = cuda::available() ? 0x1p-5 : 0x1p-8}});
}

TEST_CASE("the attention block has PyTorch's values") {
    for (const auto& known : golden("attention_block")) {
        std::vector<Tensor> grads;
        for (const auto& [i, grad] : known.grads) grads.push_back(grad);
        const AttentionBlockOptions options{.groups = 4, .heads = 2};
        const Evaluation wanted{known.out, grads};
        check_close(evaluate(attention_block, known.inputs, options, known.grad_out), wanted, 1e-10);
        check_close(evaluate(attention_block, as(DType::f32, known.inputs), options, known.grad_out.to(DType::f32)), wanted,
                    2e-5);
    }
}

TEST_CASE("the attention block in bf16 is near f64 where its projections are multiplied in bf16") {
    const Shape shape{3, 4, 5, 64};
    const AttentionBlockOptions options{.groups = 8, .heads = 8};
    const Inputs inputs = as(DType::bf16, inputs_for(shape));
    const Tensor grad_out = uniform_values(shape, -1, 1, 99).to(DType::bf16);
    const auto got = evaluate(attention_block, inputs, options, grad_out);
    const auto wanted = evaluate(attention_block_composed, as(DType::f64, inputs), options, grad_out.to(DType::f64));
    // On the way there are roundings to bf16, 2^-9 each, of n, a, and the gradients of q, k, v and y.
    check_close(got, wanted, 0x1p-6);
    const NoGrad no_grad;
    CHECK(same_bits(attention_block(inputs[0], weights_of(inputs), options), got.y));
    for (std::int64_t n = 0; n < 3; ++n)
        CHECK(same_bits(attention_block(inputs[0].slice(0, n, n + 1), weights_of(inputs), options), got.y.slice(0, n, n + 1)));
}

TEST_CASE("the fused attention block is the composed one") {
    struct Size {
        Shape x;
        AttentionBlockOptions options;
    };
    // 40 images of 64 tokens are taken in two groups, each of 1,100 on its own.
    for (const auto& [shape, options] :
         {Size{{40, 8, 8, 16}, {.groups = 4, .heads = 2}}, Size{{2, 44, 25, 8}, {.groups = 8, .heads = 1}},
          Size{{3, 4, 4, 64}, {.groups = 8, .eps = 1e-3, .heads = 8}}}) {
        CAPTURE(shape);
        const Inputs inputs = inputs_for(shape);
        const Tensor grad_out = uniform_values(shape, -1, 1, 99);
        const auto fused = evaluate(attention_block, inputs, options, grad_out);
        const auto reference = evaluate(attention_block_composed, as(DType::f64, inputs), options, grad_out.to(DType::f64));
        check_close(fused, reference, 2e-5);    // sums of up to 2,560 products
        const NoGrad no_grad;
        CHECK(same_bits(attention_block(inputs[0], weights_of(inputs), options), fused.y));
    }
}

TEST_CASE("the attention block gives an image the same bits in any batch") {
    const AttentionBlockOptions options{.groups = 4, .heads = 2};
    const Inputs inputs = inputs_for({35, 8, 8, 16});
    const Tensor y = attention_block(inputs[0], weights_of(inputs), options);
    for (const std::int64_t n : {0, 31, 32, 34}) {
        CAPTURE(n);
        CHECK(same_bits(attention_block(inputs[0].slice(0, n, n + 1), weights_of(inputs), options), y.slice(0, n, n + 1)));
    }
}

TEST_CASE("the attention block says what it expected") {
    const Inputs in = inputs_for({2, 3, 3, 8});
    const auto call = [&](AttentionBlockOptions options, const Tensor& q_weight) {
        AttentionBlockWeights w = weights_of(in);
        w.q_weight = q_weight;
        return attention_block(in[0], w, options);
    };
    CHECK_THROWS_WITH(call({.groups = 3}, in[3]),
                      "[attention_block] expected a number of groups that divides the 8 channels, got 3");
    CHECK_THROWS_WITH(call({.heads = 5}, in[3]),
                      "[attention_block] expected a number of heads that divides the 8 channels, got 5");
    CHECK_THROWS_WITH(call({}, zeros({8, 4})),
                      "[attention_block] expected q_weight f32 (8, 8) for x f32 (2, 3, 3, 8), got f32 (8, 4)");
    CHECK_THROWS_WITH(attention_block(zeros({3, 8}), weights_of(in), {}),
                      "[attention_block] expected x (N, H, W, C), got f32 (3, 8)");
}

}    // namespace lull::test
