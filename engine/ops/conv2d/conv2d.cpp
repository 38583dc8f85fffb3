#include "engine/ops/conv2d/conv2d.h"

#include "engine/ops/bf16.h"
#include "engine/ops/conv2d/kernels.h"

namespace lull {

namespace {

// y = x * w + b  ⇒  dx: dy spread back by the same weights; dw(tap) = Σ_pixels dy(p) x(p + tap)ᵀ; db = Σ_pixels dy
struct Conv2dBackward {
    Tensor x, given_weight;    // which in bf16 is half of what it is when widened
    Conv2dOptions options;

    void backward(const Tensor& dy, Gradients& grad) {
        const Tensor weight = wide(given_weight);
        if (grad.needs(0)) {
            dispatch(dy, cpu::conv2d_backward_data, cuda::conv2d_backward_data)(weight, dy, options, grad.into(0));
        }
        if (grad.needs(1) || grad.needs(2)) {
            const Into dweight = grad.needs(1) ? grad.into(1) : Into{}, dbias = grad.needs(2) ? grad.into(2) : Into{};
            dispatch(dy, cpu::conv2d_backward_weights, cuda::conv2d_backward_weights)(x, weight, dy, options, dweight, dbias);
        }
    }
};

}    // namespace

Tensor conv2d(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any, const Conv2dOptions& options) {
    check(x_any.rank() == 4, "conv2d", "expected x (N, H, W, C), got ", x_any);
    const std::int64_t C = x_any.size(3);
    check(weight_any.rank() == 4 && weight_any.size(3) == C, "conv2d", "expected weight (O, kh, kw, ", C, ") for x ", x_any,
          ", got ", weight_any);
    check(x_any.dtype() == weight_any.dtype(), "conv2d", "expected x and weight of one type, got ", x_any, " and ", weight_any);
    const std::int64_t O = weight_any.size(0), kh = weight_any.size(1), kw = weight_any.size(2);
    check(!bias_any.defined() || (bias_any.shape() == Shape{O} && bias_any.dtype() == x_any.dtype()), "conv2d", "expected bias ",
          x_any.dtype(), " (", O, ",), got ", bias_any);
    check(options.stride >= 1 && options.padding >= 0 && options.upsample >= 1, "conv2d",
          "expected stride ≥ 1, padding ≥ 0 and upsample ≥ 1, got ", options.stride, ", ", options.padding, " and ",
          options.upsample);
    const std::int64_t height = x_any.size(1) * options.upsample + 2 * options.padding;
    const std::int64_t width = x_any.size(2) * options.upsample + 2 * options.padding;
    check(kh >= 1 && kw >= 1 && height >= kh && width >= kw, "conv2d", "expected a filter that fits the padded image (", height,
          ", ", width, "), got ", weight_any);

    const Tensor x = x_any.contiguous(), given_weight = weight_any.contiguous(), weight = wide_weight(given_weight);
    const Tensor bias = bias_any.defined() ? wide_weight(bias_any.contiguous()) : bias_any;
    const Tensor y = empty_beside(x, {x.size(0), (height - kh) / options.stride + 1, (width - kw) / options.stride + 1, O});
    dispatch(x, cpu::conv2d_forward, cuda::conv2d_forward)(x, weight, bias, options, y);
    return recording(x, weight, bias) ? record<Conv2dBackward>(y, {x, weight, bias}, x, given_weight, options) : y;
}

}    // namespace lull
