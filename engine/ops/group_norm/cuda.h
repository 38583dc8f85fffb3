// GroupNorm on CUDA for the operations that contain one: group_norm, resnet_block, attention_block, and batch_norm, whose groups
// are single channels. The derivation stands in engine/cpu/group_norm.h.
#pragma once

#include "engine/autograd.h"
#include "engine/ops/group_norm/group_norm.h"

namespace lull::cuda {

// What is normalised: x ‖ skip along the channels, C in all, with bias and the image's row of emb added to every pixel. A group
// may lie across the seam. All contiguous.
struct GroupNormInput {
    Tensor x;       // (N, …, C₁), f32 or bf16
    Tensor skip;    // (N, …, C - C₁) of x's type, or undefined
    Tensor bias;    // (C), f32 or bf16, or undefined
    Tensor emb;     // (N, C), f32 or bf16, or undefined
};

// γ and β: (C), f32 or bf16.
struct GroupNormWeights {
    Tensor weight, bias;
};

// y: (N, …, C) of x's type. statistics: (N, groups, 2) f32, mean and 1/√(variance + eps).
void group_norm_forward(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options, Tensor y,
                        Tensor statistics);

// y once more, from the statistics: one read and one write.
void group_norm_again(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options,
                      const Tensor& statistics, Tensor y);

// Mean and variance of each group: moments (N, groups, 2) f32.
void group_moments(const GroupNormInput& in, int groups, Tensor moments);

// Where gradients go; an undefined tensor is not wanted. Two may be one tensor, of which one is written and the other added. x
// and skip: of x's type; the others f32 or bf16.
struct GroupNormGradients {
    Into x, skip;                      // as in GroupNormInput
    Into weight, bias;                 // (C)
    Into added_bias = {}, emb = {};    // (C), (N, C): of what is added
};

// dy: (N, …, C) of x's type. y, if defined: as from group_norm_again, in the same pass. of_x: the statistics are x's own, and dx
// counts that they move with x.
void group_norm_backward(const GroupNormInput& in, const GroupNormWeights& weights, const GroupNormOptions& options,
                         const Tensor& statistics, const Tensor& dy, const GroupNormGradients& gradients, Tensor y = {},
                         bool of_x = true);

}    // namespace lull::cuda
