#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// x: (rows…, in), weight: (out, in), bias: (out) or undefined, y: (rows…, out). as_bf16: what is multiplied, all f32, may be
// rounded to bf16 first, or has been. On CUDA all tensors may be bf16 instead.
LULL_KERNEL(linear_forward, (const Tensor& x, const Tensor& weight, const Tensor& bias, bool as_bf16, Into y));
LULL_KERNEL(linear_backward_input, (const Tensor& weight, const Tensor& dy, bool as_bf16, Into dx));
LULL_KERNEL(linear_backward_weight, (const Tensor& x, const Tensor& dy, bool as_bf16, Into dweight));
LULL_KERNEL(linear_backward_bias, (const Tensor& dy, Into dbias));

}    // namespace lull
