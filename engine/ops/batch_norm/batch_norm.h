// Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167).
#pragma once

#include "engine/tensor.h"

namespace lull {

// What a training pass gives: y, and the batch's statistics (C), which are not differentiable: f32, or f64 where x is.
struct BatchNormalised {
    Tensor y;
    Tensor mean, variance;    // the variance is the biased one, Σ (x - mean)² / (elements per channel)
};

// While training: each channel brought to mean 0 and variance 1 over the batch and all pixels, then scaled and shifted. The
// gradient flows through the statistics. x: (N, …, C); weight, bias: (C), of x's type. Throws Error when a channel has only
// one element: it would be 0 whatever x is.
BatchNormalised batch_norm_train(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);

// In evaluation: the same with a mean and a variance that are given (C), such as the running ones of nn/layers/batch_norm.h;
// an image's result depends on no other image. mean, variance: f32, or f64 where x is; no gradient flows to them.
Tensor batch_norm_eval(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& variance,
                       double eps = 1e-5);

}    // namespace lull
