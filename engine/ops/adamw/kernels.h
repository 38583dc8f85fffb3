#pragma once

#include "engine/dispatch.h"
#include "engine/ops/adamw/adamw.h"

namespace lull {

// sum ← Σ g². grad: (n), f32; sum: a scalar, f64.
LULL_KERNEL(square_sum, (const Tensor& grad, Tensor& sum));
// All (n), f32, contiguous; ema may be undefined. square_sum: a scalar, f64; loss: a scalar, f32, or undefined.
LULL_KERNEL(adamw_update, (Tensor & weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                           const Tensor& square_sum, const Tensor& loss, const AdamWStep& step));

}    // namespace lull
