// Weighted mean squared error.
#pragma once

#include "engine/tensor.h"

namespace lull {

// mean over all elements of w (prediction - target)²: a scalar. weight: (N, 1, …, 1) or undefined for 1. No gradient
// flows to target or weight. f32 where they are bf16: a loss is not rounded. Throws Error unless prediction and target have equal
// shapes.
Tensor mse(const Tensor& prediction, const Tensor& target, const Tensor& weight = {});

}    // namespace lull
