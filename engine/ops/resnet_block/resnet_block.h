// The residual block of a U-Net as one operation: the unit of fusion.
#pragma once

#include "engine/tensor.h"

namespace lull {

struct ResnetBlockWeights {
    Tensor norm1_weight, norm1_bias;          // (C)
    Tensor conv1_weight, conv1_bias;          // (O, 3, 3, C), (O)
    Tensor norm2_weight, norm2_bias;          // (O)
    Tensor conv2_weight, conv2_bias;          // (O, 3, 3, O), (O)
    Tensor shortcut_weight, shortcut_bias;    // (O, 1, 1, C), (O); undefined when C = O
};

struct ResnetBlockOptions {
    int groups = 8;
    double eps = 1e-5;
};

// With in = x ‖ skip along the channels, C of them in all:
//     h = conv1(SiLU(GroupNorm(in)))
//     y = conv2(SiLU(GroupNorm(h + emb))) + shortcut(in)
// x: (N, H, W, C₁), skip: (N, H, W, C - C₁) or undefined, emb: (N, O) or undefined → (N, H, W, O).
// Keeps x, skip, h and the two statistics (N, groups, 2); SiLU(GroupNorm) is computed again in backward.
Tensor resnet_block(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                    const ResnetBlockOptions& options);

// The same function composed of ordinary operations: the reference in tests.
Tensor resnet_block_composed(const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                             const ResnetBlockOptions& options);

}    // namespace lull
