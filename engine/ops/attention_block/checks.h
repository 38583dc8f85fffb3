// What both paths of the attention block ask of their input.
#pragma once

#include "engine/ops/attention_block/attention_block.h"

namespace lull {

// Throws Error unless x is (N, H, W, C), weights have the shapes that C asks for and x's type, and groups and heads
// divide C.
void check_attention_block(const Tensor& x, const AttentionBlockWeights& weights, const AttentionBlockOptions& options);

}    // namespace lull
