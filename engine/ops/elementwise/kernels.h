#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

enum class Unary { reciprocal, square, sqrt, exp, log, sin, cos, sigmoid, silu, tanh, relu, gelu };
enum class Binary { add, subtract, multiply, divide };

// y ← f(x). x, y: contiguous, any shape.
LULL_KERNEL(unary_forward, (Unary kind, const Tensor& x, Tensor& y));
// dx ← dy f'. saved: f's output or its input (saves_output says which).
LULL_KERNEL(unary_backward, (Unary kind, const Tensor& saved, const Tensor& dy, Into dx));

// y ← a x + b
LULL_KERNEL(affine_forward, (const Tensor& x, double a, double b, Into y));

// y ← max(x, 0) + slope min(x, 0) - shift
LULL_KERNEL(leaky_relu_forward, (const Tensor& x, double slope, double shift, Tensor& y));
LULL_KERNEL(leaky_relu_backward, (const Tensor& x, double slope, const Tensor& dy, Into dx));

LULL_KERNEL(clamp_forward, (const Tensor& x, double low, double high, Tensor& y));
LULL_KERNEL(clamp_backward, (const Tensor& x, double low, double high, const Tensor& dy, Into dx));

// y ← a ∘ b. a, b: contiguous tensors expanded to y's shape (stride 0 along broadcast axes); y: contiguous.
LULL_KERNEL(binary_forward, (Binary kind, const Tensor& a, const Tensor& b, Into y));

// The output where f' follows from it, which saves keeping the input; but never one that was rounded to bf16: what
// 1 - y² leaves of a rounded y near 1 has hardly a digit.
constexpr bool saves_output(Unary kind, DType dtype) {
    if (dtype == DType::bf16) return false;
    switch (kind) {
        case Unary::reciprocal:
        case Unary::sqrt:
        case Unary::exp:
        case Unary::sigmoid:
        case Unary::tanh:
        case Unary::relu:
            return true;
        default:
            return false;
    }
}

}    // namespace lull
