// Group normalisation (Wu & He 2018, arXiv 1803.08494), with the activation that follows it in a U-Net.
#pragma once

#include "engine/tensor.h"

namespace lull {

enum class Activation { none, silu };

struct GroupNormOptions {
    int groups = 8;
    double eps = 1e-5;
    Activation activation = Activation::none;
};

// Each image's channels in `groups` groups of neighbours; each group brought to mean 0 and variance 1 over (H, W, C/groups),
// then scaled and shifted per channel, then activated. x: (N, H, W, C) or (N, …, C); weight, bias: (C).
Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const GroupNormOptions& options);

}    // namespace lull
