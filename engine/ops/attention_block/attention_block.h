// Self-attention over the pixels of an image, with its normalisation and residual, as one operation.
#pragma once

#include "engine/tensor.h"

namespace lull {

struct AttentionBlockWeights {
    Tensor norm_weight, norm_bias;    // (C)
    Tensor q_weight, q_bias;          // (C, C), (C)
    Tensor k_weight, k_bias;
    Tensor v_weight, v_bias;
    Tensor out_weight, out_bias;
};

struct AttentionBlockOptions {
    int groups = 8;
    double eps = 1e-5;
    int heads = 1;
};

// y = x + out(attention(q(n), k(n), v(n))), n = GroupNorm(x), every pixel a token. x: (N, H, W, C) → the same shape.
// groups and heads divide C. Keeps q, k, v, what attention gave, and the logarithms of its softmaxes' denominators
// (N, heads, H·W); GroupNorm is computed again in backward.
Tensor attention_block(const Tensor& x, const AttentionBlockWeights& weights, const AttentionBlockOptions& options);

// The same function composed of ordinary operations: the reference in tests, and the path for f64.
Tensor attention_block_composed(const Tensor& x, const AttentionBlockWeights& weights, const AttentionBlockOptions& options);

}    // namespace lull
