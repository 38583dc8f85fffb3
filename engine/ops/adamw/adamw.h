// The optimizer's step over flat buffers: clipping, AdamW and the moving average in one pass.
#pragma once

#include <math.h>

#include <cstdint>
#include <limits>

#include "engine/host_device.h"
#include "engine/tensor.h"

namespace lull {

// One step's numbers. Adam is AdamW without weight decay.
struct AdamWStep {
    double learning_rate = 1e-3;
    double beta1 = 0.9, beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;      // decoupled (Loshchilov & Hutter 2019, arXiv 1711.05101)
    std::int64_t decayed = 0;     // the first so many elements are decayed
    double beta1_power = 0;       // β₁ᵗ at step t = 1, 2, …: 1 - it corrects the bias
    double beta2_power = 0;       // β₂ᵗ
    double gradient_scale = 1;    // the gradient is multiplied by it first: 1/k after k accumulated passes
    double max_norm = std::numeric_limits<double>::infinity();    // and then, where it is longer, scaled down to this norm
    double ema_decay = 0;                                         // ema ← decay·ema + (1 - decay)·weight
};

// Σ g², an f64 scalar beside grad. grad: (n) f32, any n; summed in f64 in an order that the length alone decides.
Tensor square_sum(const Tensor& grad);
// √Σ g².
double global_norm(const Tensor& grad);

// Updates weights, moments and EMA, all (n) f32, contiguous, in place, and says that the weights' storage and the EMA's have
// changed. ema may be undefined. grad_square_sum: square_sum(grad); loss: an f32 scalar, or undefined. When the gradient's norm
// or the loss is not finite no element is changed: on CUDA nobody but the kernel knows in time. Throws Error unless eps > 0 and
// the powers of β are below 1.
void adamw_step(Tensor& weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                const Tensor& grad_square_sum, const Tensor& loss, const AdamWStep& step);

// What a step multiplies the gradient by; NaN when its norm is not finite. 1e-6: as torch.nn.utils.clip_grad_norm_.
LULL_HOST_DEVICE inline double gradient_factor(double square_sum, double scale, double max_norm) {
    const double norm = ::sqrt(square_sum) * scale, clipping = max_norm / (norm + 1e-6);
    return norm < HUGE_VAL ? scale * (clipping < 1 ? clipping : 1) : NAN;
}

}    // namespace lull
