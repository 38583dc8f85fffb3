// The optimizer's step over flat buffers: clipping, AdamW and the moving average in one pass.
#pragma once

#include <cstdint>

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
    double gradient_scale = 1;    // the gradient is multiplied by it first: clipping, accumulation
    double ema_decay = 0;         // ema ← decay·ema + (1 - decay)·weight
};

// √Σ g². grad: (n) f32, any n; summed in f64 in an order that the length alone decides.
double global_norm(const Tensor& grad);

// Updates weights, moments and EMA, all (n) f32, contiguous, in place, and says that the weights' storage and the EMA's
// have changed. ema may be undefined. Throws Error unless eps > 0 and the powers of β are below 1.
void adamw_step(Tensor& weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                const AdamWStep& step);

}    // namespace lull
