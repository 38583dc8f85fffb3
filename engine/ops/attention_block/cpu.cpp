// The attention block on the CPU: the kernels of its parts, for a few images after another, so that what passes between
// the parts stays in cache. How many is decided by the size of an image alone, and with it the order in which the images'
// parts of a weight's gradient add up.
//
// With tokens as rows, n = GroupNorm(x), q = n Wqᵀ + bq, k and v alike, a = attention(q, k, v), y = x + a Woᵀ + bo:
//     da = dy Wo                            dWo = dyᵀ a,  dbo = Σ dy
//     dq, dk, dv: attention's gradients for da
//     dn = dq Wq + dk Wk + dv Wv            dWq = dqᵀ n,  dbq = Σ dq,  those of k and v alike
//     dx = dy + GroupNorm's gradient for dn
// n is not kept but computed again: two reads of x.
#include <algorithm>

#include "engine/ops/attention/kernels.h"
#include "engine/ops/attention_block/kernels.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/group_norm/kernels.h"
#include "engine/ops/linear/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kTokens = 2048;    // at a time: 512 KiB a tensor at 64 channels, and rows enough for many threads

// Calls f(images, whether it is the first) for parts of the batch, at least once; images(t) is such a part of a tensor (N, …),
// undefined of an undefined one.
template <class F>
void for_each_part(const Tensor& x, const F& f) {
    const std::int64_t images = x.size(0), tokens = x.size(1) * x.size(2);
    const std::int64_t part = std::max<std::int64_t>(1, kTokens / std::max<std::int64_t>(1, tokens));
    std::int64_t begin = 0;
    do {
        const std::int64_t end = std::min(images, begin + part);
        f([&](const Tensor& t) { return t.defined() ? t.slice(0, begin, end) : t; }, begin == 0);
        begin = end;
    } while (begin < images);
}

Shape as_tokens(const Tensor& x) { return {x.size(0), x.size(1) * x.size(2), x.size(3)}; }

// n for some images, as tokens (N, T, C), and the statistics (N, groups, 2) that it comes from.
struct Normalised {
    Tensor tokens, statistics;

    Normalised(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options)
        : tokens(empty(as_tokens(x))), statistics(empty({x.size(0), options.groups, 2})) {
        group_norm_forward(x, w.norm_weight, w.norm_bias, {.groups = options.groups, .eps = options.eps},
                           tokens.reshape(x.shape()), statistics);
    }
};

}    // namespace

void attention_block_forward(const Tensor& x_all, const AttentionBlockWeights& w, const AttentionBlockOptions& options,
                             bool as_bf16, Tensor y_all, AttentionBlockSaved saved) {
    for_each_part(x_all, [&](const auto& images, bool) {
        const Tensor x = images(x_all);
        const Normalised n(x, w, options);
        const auto place = [&](const Tensor& kept) { return kept.defined() ? images(kept) : empty(as_tokens(x)); };
        const Tensor q = place(saved.q), k = place(saved.k), v = place(saved.v), a = place(saved.a);
        linear_forward(n.tokens, w.q_weight, w.q_bias, as_bf16, {q});
        linear_forward(n.tokens, w.k_weight, w.k_bias, as_bf16, {k});
        linear_forward(n.tokens, w.v_weight, w.v_bias, as_bf16, {v});
        attention_forward(q, k, v, options.heads, a, images(saved.lse));

        Tensor y = images(y_all);
        copy(x, y);
        linear_forward(a, w.out_weight, w.out_bias, as_bf16, {y.reshape(as_tokens(x)), true});
    });
}

void attention_block_backward(const Tensor& x_all, const AttentionBlockWeights& w, const AttentionBlockOptions& options,
                              bool as_bf16, const AttentionBlockSaved& saved, const Tensor& dy_all,
                              AttentionBlockGradients grads) {
    for_each_part(x_all, [&](const auto& images, bool first) {
        // The first part's share of a weight's gradient is written as asked; the others' are added.
        const auto sum = [&](const Into& into) { return Into{into.tensor, into.add || !first}; };
        const auto weight_gradient = [&](const Tensor& in, const Tensor& dout, const Into& dweight, const Into& dbias) {
            if (dweight.tensor.defined()) linear_backward_weight(in, dout, as_bf16, sum(dweight));
            if (dbias.tensor.defined()) linear_backward_bias(dout, sum(dbias));
        };
        const Tensor x = images(x_all), dy = images(dy_all), dy_tokens = dy.reshape(as_tokens(x));
        const Tensor q = images(saved.q), k = images(saved.k), v = images(saved.v), a = images(saved.a);
        weight_gradient(a, dy_tokens, grads.out_weight, grads.out_bias);
        const Tensor da = empty_like(a), dq = empty_like(a), dk = empty_like(a), dv = empty_like(a);
        linear_backward_input(w.out_weight, dy_tokens, as_bf16, {da});
        attention_backward(q, k, v, options.heads, a, images(saved.lse), da, {dq}, {dk}, {dv});

        const Normalised n(x, w, options);
        weight_gradient(n.tokens, dq, grads.q_weight, grads.q_bias);
        weight_gradient(n.tokens, dk, grads.k_weight, grads.k_bias);
        weight_gradient(n.tokens, dv, grads.v_weight, grads.v_bias);
        const Tensor& dn = da;    // da has been read for the last time
        linear_backward_input(w.q_weight, dq, as_bf16, {dn});
        linear_backward_input(w.k_weight, dk, as_bf16, {dn, true});
        linear_backward_input(w.v_weight, dv, as_bf16, {dn, true});

        const Into dx{images(grads.x.tensor), grads.x.add};
        group_norm_backward(x, w.norm_weight, w.norm_bias, n.statistics, {.groups = options.groups, .eps = options.eps},
                            dn.reshape(x.shape()), dx, sum(grads.norm_weight), sum(grads.norm_bias));
        if (dx.tensor.defined()) accumulate(dy, dx.tensor);
    });
}

}    // namespace lull::cpu
