#include "engine/ops/attention_block/attention_block.h"

#include "engine/ops/attention_block/checks.h"
#include "engine/ops/attention_block/kernels.h"
#include "engine/ops/bf16.h"

namespace lull {

namespace {

// f(weight) for each of the ten.
template <class F>
AttentionBlockWeights transformed(const AttentionBlockWeights& w, const F& f) {
    return {.norm_weight = f(w.norm_weight),
            .norm_bias = f(w.norm_bias),
            .q_weight = f(w.q_weight),
            .q_bias = f(w.q_bias),
            .k_weight = f(w.k_weight),
            .k_bias = f(w.k_bias),
            .v_weight = f(w.v_weight),
            .v_bias = f(w.v_bias),
            .out_weight = f(w.out_weight),
            .out_bias = f(w.out_bias)};
}

// The derivation is in cpu.cpp.
struct AttentionBlockBackward {
    Tensor given_x;
    AttentionBlockWeights given_weights;
    AttentionBlockOptions options;
    bool as_bf16;    // what was given is bf16, half of what it is when widened
    AttentionBlockSaved saved;

    void backward(const Tensor& dy, Gradients& grad) {
        const Tensor x = as_bf16 ? wide(given_x) : given_x;
        const AttentionBlockWeights weights = as_bf16 ? transformed(given_weights, wide) : given_weights;
        const auto wanted = [&](int i) { return grad.needs(i) ? grad.into(i) : Into{}; };
        const AttentionBlockGradients grads{.out_weight = wanted(9),
                                            .out_bias = wanted(10),
                                            .q_weight = wanted(3),
                                            .q_bias = wanted(4),
                                            .k_weight = wanted(5),
                                            .k_bias = wanted(6),
                                            .v_weight = wanted(7),
                                            .v_bias = wanted(8),
                                            .x = wanted(0),
                                            .norm_bias = wanted(2),
                                            .norm_weight = wanted(1)};
        dispatch(dy, cpu::attention_block_backward, cuda::attention_block_backward)(x, weights, options, as_bf16, saved, dy,
                                                                                    grads);
    }
};

void check_weight(const char* name, const Tensor& weight, const Shape& shape, const Tensor& x) {
    check(weight.defined() && weight.shape() == shape && weight.dtype() == x.dtype(), "attention_block", "expected ", name, ' ',
          x.dtype(), ' ', shape, " for x ", x, ", got ", weight);
}

// In f32, on CUDA also in bf16. as_bf16: x and weights are widened first (kernels.h).
Tensor attention_block_fused(const Tensor& given_x, const AttentionBlockWeights& given_weights,
                             const AttentionBlockOptions& options, bool as_bf16) {
    const auto detached = [](const Tensor& t) { return t.detach().contiguous(); };
    const Tensor x_any = as_bf16 ? wide(given_x) : given_x, x = detached(x_any);
    const AttentionBlockWeights w = as_bf16 ? transformed(given_weights, wide_weight) : given_weights;
    const AttentionBlockWeights weights = transformed(w, detached);

    const bool records = recording(x_any, w.norm_weight, w.norm_bias, w.q_weight, w.q_bias, w.k_weight, w.k_bias, w.v_weight,
                                   w.v_bias, w.out_weight, w.out_bias);
    const std::int64_t n = x.size(0), tokens = x.size(1) * x.size(2), c = x.size(3);
    const auto keep = [&](const Shape& shape) { return records ? empty_beside(x, shape) : Tensor(); };
    const AttentionBlockSaved saved{.q = keep({n, tokens, c}),
                                    .k = keep({n, tokens, c}),
                                    .v = keep({n, tokens, c}),
                                    .a = keep({n, tokens, c}),
                                    .lse = records ? empty({n, options.heads, tokens}, compute_dtype(x), x.device()) : Tensor()};
    const Tensor y = empty_like(x);
    dispatch(x, cpu::attention_block_forward, cuda::attention_block_forward)(x, weights, options, as_bf16, y, saved);
    if (!records) return y;
    return record<AttentionBlockBackward>(y,
                                          {x_any, w.norm_weight, w.norm_bias, w.q_weight, w.q_bias, w.k_weight, w.k_bias,
                                           w.v_weight, w.v_bias, w.out_weight, w.out_bias},
                                          detached(given_x), transformed(given_weights, detached), options, as_bf16, saved);
}

}    // namespace

void check_attention_block(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options) {
    check(x.rank() == 4, "attention_block", "expected x (N, H, W, C), got ", x);
    const std::int64_t c = x.size(3);
    check(options.groups > 0 && c % options.groups == 0, "attention_block", "expected a number of groups that divides the ", c,
          " channels, got ", options.groups);
    check(options.heads > 0 && c % options.heads == 0, "attention_block", "expected a number of heads that divides the ", c,
          " channels, got ", options.heads);
    check_weight("norm_weight", w.norm_weight, {c}, x);
    check_weight("norm_bias", w.norm_bias, {c}, x);
    check_weight("q_weight", w.q_weight, {c, c}, x);
    check_weight("q_bias", w.q_bias, {c}, x);
    check_weight("k_weight", w.k_weight, {c, c}, x);
    check_weight("k_bias", w.k_bias, {c}, x);
    check_weight("v_weight", w.v_weight, {c, c}, x);
    check_weight("v_bias", w.v_bias, {c}, x);
    check_weight("out_weight", w.out_weight, {c, c}, x);
    check_weight("out_bias", w.out_bias, {c}, x);
}

Tensor attention_block(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options) {
    if (x.dtype() == DType::f64) return attention_block_composed(x, w, options);
    check_attention_block(x, w, options);
    if (widens(x)) return rounded(attention_block_fused(x, w, options, true));
    return attention_block_fused(x, w, options, false);
}

}    // namespace lull
