#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/conv2d/conv2d.h"

namespace lull {

// x: (N, H, W, C), weight: (O, kh, kw, C), bias: (O) or undefined, y and dy: (N, H', W', O); all contiguous. Where x, y and
// their gradients are bf16, weight, bias and theirs are f32.
LULL_KERNEL(conv2d_forward, (const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options, Tensor y));
LULL_KERNEL(conv2d_backward_data, (const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx));
// The gradients of weight and bias; either tensor may be undefined: not wanted.
LULL_KERNEL(conv2d_backward_weights,
            (const Tensor& x, const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dweight, Into dbias));

}    // namespace lull
