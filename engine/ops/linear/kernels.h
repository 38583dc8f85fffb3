#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// x: (rows…, in), weight: (out, in), bias: (out) or undefined, y: (rows…, out).
LULL_KERNEL(linear_forward, (const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor y));
LULL_KERNEL(linear_backward_input, (const Tensor& weight, const Tensor& dy, Into dx));
LULL_KERNEL(linear_backward_weight, (const Tensor& x, const Tensor& dy, Into dweight));
LULL_KERNEL(linear_backward_bias, (const Tensor& dy, Into dbias));

}    // namespace lull
