#include "engine/ops/batch_norm/batch_norm.h"

#include "engine/ops/batch_norm/kernels.h"
#include "engine/ops/bf16.h"

namespace lull {

namespace {

// The derivation stands in cpu.cpp.
struct BatchNormBackward {
    Tensor x, weight, mean, variance;
    double eps;
    bool of_batch;

    void backward(const Tensor& dy, Gradients& grad) {
        const auto wanted = [&](int i) { return grad.needs(i) ? grad.into(i) : Into{}; };
        const Into dx = wanted(0), dweight = wanted(1), dbias = wanted(2);
        dispatch(dy, cpu::batch_norm_backward, cuda::batch_norm_backward)(x, weight, mean, variance, eps, of_batch, dy, dx,
                                                                          dweight, dbias);
    }
};

void check_channels(const char* what, const Tensor& t, std::int64_t C, DType dtype) {
    check(t.defined() && t.shape() == Shape{C} && t.dtype() == dtype, "batch_norm", "expected ", what, ' ', dtype, " (", C,
          ",), got ", t);
}

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    check(x.rank() >= 2 && x.is_floating(), "batch_norm", "expected a floating x (N, …, C), got ", x);
    check_channels("weight", weight, x.size(-1), x.dtype());
    check_channels("bias", bias, x.size(-1), x.dtype());
}

Tensor normalised(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any, const Tensor& mean,
                  const Tensor& variance, double eps, bool of_batch) {
    const Tensor x = x_any.contiguous(), weight = weight_any.contiguous(), bias = bias_any.contiguous();
    const Tensor y = empty_like(x);
    dispatch(x, cpu::batch_norm_forward, cuda::batch_norm_forward)(x, weight, bias, mean, variance, eps, y);
    if (!recording(x, weight, bias)) return y;
    return record<BatchNormBackward>(y, {x, weight, bias}, x, weight, mean, variance, eps, of_batch);
}

}    // namespace

BatchNormalised batch_norm_train(const Tensor& x_any, const Tensor& weight, const Tensor& bias, double eps) {
    check_arguments(x_any, weight, bias);
    if (widens(x_any)) {
        const auto [y, mean, variance] = batch_norm_train(wide(x_any), wide(weight), wide(bias), eps);
        return {rounded(y), mean, variance};
    }
    const Tensor x = x_any.contiguous();
    check(x.elements() != x.size(-1) || x.elements() == 0, "batch_norm",
          "expected more than one element per channel while training, got ", x);
    const Tensor mean = empty({x.size(-1)}, compute_dtype(x), x.device()), variance = empty_like(mean);
    dispatch(x, cpu::batch_norm_statistics, cuda::batch_norm_statistics)(x, mean, variance);
    return {normalised(x, weight, bias, mean, variance, eps, true), mean, variance};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& variance,
                       double eps) {
    check_arguments(x, weight, bias);
    if (widens(x)) return rounded(batch_norm_eval(wide(x), wide(weight), wide(bias), mean, variance, eps));
    check_channels("mean", mean, x.size(-1), compute_dtype(x));
    check_channels("variance", variance, x.size(-1), compute_dtype(x));
    return normalised(x, weight, bias, mean.detach().contiguous(), variance.detach().contiguous(), eps, false);
}

}    // namespace lull
