// The attention block on CUDA: GroupNorm, three projections, attention, and the last projection added to x. All images at once:
// every part fills a GPU. The derivation stands in cpu.cpp; the kernels in group_norm/cuda.cu, attention/cuda.cu and, for the
// products, engine/cuda/gemm.h. Where x is bf16 so is what passes between the parts, but for the gradient of n, which three
// products add up in f32.
// Elements moved, of M = N T C: forward 2 M for n, 2 M for each projection, 4 M for attention and 5 M for the sum with x; the
// minimum, all in one kernel, would be 2 M and the four that backward reads. n is computed again in backward, as x and a
// write are cheaper than a third of q, k and v in memory.
#include "engine/ops/attention/kernels.h"
#include "engine/ops/attention_block/kernels.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/group_norm/cuda.h"
#include "engine/ops/linear/kernels.h"

namespace lull::cuda {

namespace {

Shape as_tokens(const Tensor& x) { return {x.size(0), x.size(1) * x.size(2), x.size(3)}; }

// n as tokens (N, T, C), and its statistics.
struct Normalised {
    Tensor tokens, statistics;

    Normalised(const Tensor& x, const GroupNormWeights& weights, const GroupNormOptions& options)
        : tokens(empty_beside(x, as_tokens(x))), statistics(empty({x.size(0), options.groups, 2}, DType::f32, x.device())) {
        group_norm_forward({x, {}, {}, {}}, weights, options, tokens.reshape(x.shape()), statistics);
    }
};

GroupNormOptions norm_options(const AttentionBlockOptions& options) { return {.groups = options.groups, .eps = options.eps}; }

}    // namespace

void attention_block_forward(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options, bool as_bf16,
                             Tensor y, AttentionBlockSaved saved) {
    const Normalised n(x, {w.norm_weight, w.norm_bias}, norm_options(options));
    const auto place = [&](const Tensor& kept) { return kept.defined() ? kept : empty_like(n.tokens); };
    const Tensor q = place(saved.q), k = place(saved.k), v = place(saved.v), a = place(saved.a);
    linear_forward(n.tokens, w.q_weight, w.q_bias, as_bf16, {q});
    linear_forward(n.tokens, w.k_weight, w.k_bias, as_bf16, {k});
    linear_forward(n.tokens, w.v_weight, w.v_bias, as_bf16, {v});
    attention_forward(q, k, v, options.heads, a, saved.lse);
    copy(x, y);
    linear_forward(a, w.out_weight, w.out_bias, as_bf16, {y.reshape(as_tokens(x)), true});
}

void attention_block_backward(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options, bool as_bf16,
                              const AttentionBlockSaved& saved, const Tensor& dy, AttentionBlockGradients grads) {
    const auto weight_gradient = [&](const Tensor& in, const Tensor& dout, const Into& dweight, const Into& dbias) {
        if (dweight.tensor.defined()) linear_backward_weight(in, dout, as_bf16, dweight);
        if (dbias.tensor.defined()) linear_backward_bias(dout, dbias);
    };
    const Tensor dy_tokens = dy.detach().reshape(as_tokens(x));
    weight_gradient(saved.a, dy_tokens, grads.out_weight, grads.out_bias);
    const Tensor da = empty_like(saved.a), dq = empty_like(da), dk = empty_like(da), dv = empty_like(da);
    linear_backward_input(w.out_weight, dy_tokens, as_bf16, {da});
    attention_backward(saved.q, saved.k, saved.v, options.heads, saved.a, saved.lse, da, {dq}, {dk}, {dv});

    const Normalised n(x, {w.norm_weight, w.norm_bias}, norm_options(options));
    weight_gradient(n.tokens, dq, grads.q_weight, grads.q_bias);
    weight_gradient(n.tokens, dk, grads.k_weight, grads.k_bias);
    weight_gradient(n.tokens, dv, grads.v_weight, grads.v_bias);
    const Tensor dn = empty(as_tokens(x), DType::f32, x.device());
    linear_backward_input(w.q_weight, dq, as_bf16, {dn});
    linear_backward_input(w.k_weight, dk, as_bf16, {dn, true});
    linear_backward_input(w.v_weight, dv, as_bf16, {dn, true});

    const Into& dx = grads.x;
    if (dx.tensor.defined()) {    // the residual's part
        if (dx.add)
            accumulate(dy, dx.tensor);
        else
            copy(dy, dx.tensor);
    }
    group_norm_backward({x, {}, {}, {}}, {w.norm_weight, w.norm_bias}, norm_options(options), n.statistics,
                        dn.to(x.dtype()).reshape(x.shape()),
                        {.x = {dx.tensor, true}, .skip = {}, .weight = grads.norm_weight, .bias = grads.norm_bias});
}

}    // namespace lull::cuda
