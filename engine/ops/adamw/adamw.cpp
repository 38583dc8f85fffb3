#include "engine/ops/adamw/adamw.h"

#include <cmath>

#include "engine/ops/adamw/kernels.h"

namespace lull {

namespace {

void check_buffer(const char* name, const Tensor& x, const Tensor& weights) {
    check(x.defined() && x.rank() == 1 && x.dtype() == DType::f32 && x.is_contiguous() && x.shape() == weights.shape(), "adamw",
          "expected ", name, " to be contiguous, f32, ", weights.shape(), ", got ", x);
}

}    // namespace

Tensor square_sum(const Tensor& grad) {
    check(grad.defined() && grad.rank() == 1 && grad.dtype() == DType::f32, "square_sum", "expected f32 (n), got ", grad);
    Tensor sum = empty({}, DType::f64, grad.device());
    dispatch(grad, cpu::square_sum, cuda::square_sum)(grad.contiguous(), sum);
    return sum;
}

double global_norm(const Tensor& grad) { return std::sqrt(square_sum(grad).item()); }

void adamw_step(Tensor& weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                const Tensor& grad_square_sum, const Tensor& loss, const AdamWStep& step) {
    check_buffer("weights", weights, weights);
    check_buffer("the gradient", grad, weights);
    check_buffer("the first moment", first_moment, weights);
    check_buffer("the second moment", second_moment, weights);
    if (ema.defined()) check_buffer("the moving average", ema, weights);
    check(grad_square_sum.defined() && grad_square_sum.rank() == 0 && grad_square_sum.dtype() == DType::f64, "adamw",
          "expected the sum of the gradient's squares, an f64 scalar, got ", grad_square_sum);
    check(!loss.defined() || (loss.rank() == 0 && loss.dtype() == DType::f32), "adamw", "expected a loss in f32, a scalar, got ",
          loss);
    check(step.decayed >= 0 && step.decayed <= weights.elements(), "adamw", "expected 0 ≤ decayed ≤ ", weights.elements(),
          ", got ", step.decayed);
    check(step.eps > 0, "adamw", "expected eps above 0, got ", step.eps);
    check(step.beta1_power < 1 && step.beta2_power < 1, "adamw", "expected the powers of β₁ and of β₂ below 1, got ",
          step.beta1_power, " and ", step.beta2_power);
    dispatch(weights, cpu::adamw_update, cuda::adamw_update)(weights, grad, first_moment, second_moment, ema, grad_square_sum,
                                                             loss, step);
    weights.storage()->changed();
    if (ema.defined()) ema.storage()->changed();
}

}    // namespace lull
