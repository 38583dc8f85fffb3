#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/resnet_block/resnet_block.h"

namespace lull {

// Where the gradients go; an undefined tensor is not wanted.
struct ResnetBlockGradients {
    Into x, skip, emb;
    Into norm1_weight, norm1_bias, conv1_weight, conv1_bias;
    Into norm2_weight, norm2_bias, conv2_weight, conv2_bias;
    Into shortcut_weight, shortcut_bias;
};

// Everything contiguous, as in resnet_block.h. h: (N, H, W, O), conv1 without its bias, or undefined where no gradient will
// be asked for. Where x, skip, y and their gradients are bf16, so is h on CUDA, and everything else is f32. statistics1,
// statistics2: (N, groups, 2), of x ‖ skip and of h + bias + emb.
LULL_KERNEL(resnet_block_forward,
            (const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
             const ResnetBlockOptions& options, Tensor y, Tensor h, Tensor statistics1, Tensor statistics2));
LULL_KERNEL(resnet_block_backward, (const Tensor& x, const Tensor& skip, const Tensor& emb, const ResnetBlockWeights& weights,
                                    const ResnetBlockOptions& options, const Tensor& h, const Tensor& statistics1,
                                    const Tensor& statistics2, const Tensor& dy, const ResnetBlockGradients& gradients));

}    // namespace lull
