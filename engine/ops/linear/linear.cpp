#include "engine/ops/linear/linear.h"

#include "engine/ops/bf16.h"
#include "engine/ops/linear/kernels.h"

namespace lull {

namespace {

// y_r = W x_r + b for every row r  ⇒  dx_r = Wᵀ dy_r, dW = Σ_r dy_r x_rᵀ, db = Σ_r dy_r
struct LinearBackward {
    Tensor x, weight;

    void backward(const Tensor& dy, Gradients& grad) {
        if (grad.needs(0)) dispatch(dy, cpu::linear_backward_input, cuda::linear_backward_input)(weight, dy, grad.into(0));
        if (grad.needs(1)) dispatch(dy, cpu::linear_backward_weight, cuda::linear_backward_weight)(x, dy, grad.into(1));
        if (grad.needs(2)) dispatch(dy, cpu::linear_backward_bias, cuda::linear_backward_bias)(dy, grad.into(2));
    }
};

}    // namespace

Tensor linear(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any) {
    check(weight_any.rank() == 2, "linear", "expected weight (out, in), got ", weight_any);
    const std::int64_t in = weight_any.size(1), out = weight_any.size(0);
    check(x_any.rank() >= 1 && x_any.size(-1) == in, "linear", "expected x (…, ", in, ") for weight ", weight_any, ", got ",
          x_any);
    check(x_any.dtype() == weight_any.dtype(), "linear", "expected x and weight of one type, got ", x_any, " and ", weight_any);
    check(!bias_any.defined() || (bias_any.shape() == Shape{out} && bias_any.dtype() == x_any.dtype()), "linear",
          "expected bias ", x_any.dtype(), " (", out, ",), got ", bias_any);
    if (is_bf16(x_any)) return rounded(linear(wide(x_any), wide(weight_any), wide(bias_any)));
    const Tensor x = x_any.contiguous(), weight = weight_any.contiguous();
    const Tensor bias = bias_any.defined() ? bias_any.contiguous() : bias_any;

    Shape shape = x.shape();
    shape[-1] = out;
    const Tensor y = empty(shape, x.dtype());
    dispatch(x, cpu::linear_forward, cuda::linear_forward)(x, weight, bias, y);
    return recording(x, weight, bias) ? record<LinearBackward>(y, {x, weight, bias}, x, weight) : y;
}

}    // namespace lull
