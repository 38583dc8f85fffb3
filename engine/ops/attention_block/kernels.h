#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/attention_block/attention_block.h"

namespace lull {

// What backward reads besides x and the weights, of x's type (lse: f32). All undefined when nothing is recorded.
struct AttentionBlockSaved {
    Tensor q, k, v;    // (N, T, C)
    Tensor a;          // (N, T, C), what attention gave
    Tensor lse;        // (N, heads, T), the logarithms of the softmax's denominators
};

// Where gradients go, in the order in which they are written; those that are not wanted have an undefined tensor.
struct AttentionBlockGradients {
    Into out_weight, out_bias, q_weight, q_bias, k_weight, k_bias, v_weight, v_bias, x, norm_bias, norm_weight;
};

// as_bf16: the projections round what they multiply to bf16 (linear/kernels.h).
LULL_KERNEL(attention_block_forward, (const Tensor& x, const AttentionBlockWeights& weights, const AttentionBlockOptions& options,
                                      bool as_bf16, Tensor y, AttentionBlockSaved saved));
LULL_KERNEL(attention_block_backward,
            (const Tensor& x, const AttentionBlockWeights& weights, const AttentionBlockOptions& options, bool as_bf16,
             const AttentionBlockSaved& saved, const Tensor& dy, AttentionBlockGradients grads));

}    // namespace lull
