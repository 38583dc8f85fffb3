// The attention block as ordinary operations, one line each.

#include "engine/ops/attention/attention.h"
#include "engine/ops/attention_block/attention_block.h"
#include "engine/ops/attention_block/checks.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/group_norm/group_norm.h"
#include "engine/ops/linear/linear.h"

namespace lull {

Tensor attention_block_composed(const Tensor& x, const AttentionBlockWeights& w, const AttentionBlockOptions& options) {
    check_attention_block(x, w, options);
    const Tensor normed = group_norm(x, w.norm_weight, w.norm_bias, {.groups = options.groups, .eps = options.eps});
    const Tensor tokens = normed.reshape({x.size(0), x.size(1) * x.size(2), x.size(3)});    // (N, T, C)
    const Tensor q = linear(tokens, w.q_weight, w.q_bias);
    const Tensor k = linear(tokens, w.k_weight, w.k_bias);
    const Tensor v = linear(tokens, w.v_weight, w.v_bias);
    const Tensor a = attention(q, k, v, options.heads);
    return x + linear(a, w.out_weight, w.out_bias).reshape(x.shape());
}

}    // namespace lull
