#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// loss ← Σ_n w_n Σ (prediction_n - target_n)² / elements. prediction, target: (N, …), weight: (N) elements or undefined,
// loss: a scalar, f32 where they are bf16.
LULL_KERNEL(mse_forward, (const Tensor& prediction, const Tensor& target, const Tensor& weight, Tensor& loss));
// dprediction ← dloss · 2 w (prediction - target) / elements
LULL_KERNEL(mse_backward,
            (const Tensor& prediction, const Tensor& target, const Tensor& weight, const Tensor& dloss, Into dprediction));

}    // namespace lull
