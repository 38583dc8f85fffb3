#include "engine/ops/linear/linear.h"

#include "engine/ops/bf16.h"
#include "engine/ops/linear/kernels.h"

namespace lull {

namespace {

// y_r = W x_r + b for every row r  ⇒  dx_r = Wᵀ dy_r, dW = Σ_r dy_r x_rᵀ, db = Σ_r dy_r
struct LinearBackward {
    Tensor x, weight;
    bool as_bf16;

    void backward(const Tensor& dy, Gradients& grad) {
        if (grad.needs(0))
            dispatch(dy, cpu::linear_backward_input, cuda::linear_backward_input)(weight, dy, as_bf16, grad.into(0));
        if (grad.needs(1)) dispatch(dy, cpu::linear_backward_weight, cuda::linear_backward_weight)(x, dy, as_bf16, grad.into(1));
        if (grad.needs(2)) dispatch(dy, cpu::linear_backward_bias, cuda::linear_backward_bias)(dy, grad.into(2));
    }
};

// Of tensors that the device's kernels know. as_bf16: x and weight, and the gradient of y, are bf16 in f32's clothes.
Tensor linear_as_is(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any, bool as_bf16) {
    const Tensor x = x_any.contiguous(), weight = weight_any.contiguous();
    const Tensor bias = bias_any.defined() ? bias_any.contiguous() : bias_any;
    Shape shape = x.shape();
    shape[-1] = weight.size(0);
    const Tensor y = empty_beside(x, shape);
    dispatch(x, cpu::linear_forward, cuda::linear_forward)(x, weight, bias, as_bf16, Into{y});
    return recording(x, weight, bias) ? record<LinearBackward>(y, {x, weight, bias}, x, weight, as_bf16) : y;
}

}    // namespace

Tensor linear(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any) {
    check(weight_any.rank() == 2, "linear", "expected weight (out, in), got ", weight_any);
    const std::int64_t in = weight_any.size(1), out = weight_any.size(0);
    check(x_any.rank() >= 1 && x_any.size(-1) == in, "linear", "expected x (…, ", in, ") for weight ", weight_any, ", got ",
          x_any);
    check(x_any.dtype() == weight_any.dtype(), "linear", "expected x and weight of one type, got ", x_any, " and ", weight_any);
    check(!bias_any.defined() || (bias_any.shape() == Shape{out} && bias_any.dtype() == x_any.dtype()), "linear",
          "expected bias ", x_any.dtype(), " (", out, ",), got ", bias_any);
    if (widens(x_any)) return rounded(linear_as_is(wide(x_any), wide_weight(weight_any), wide_weight(bias_any), true));
    return linear_as_is(x_any, weight_any, bias_any, false);
}

}    // namespace lull
