// Noise and preconditioning in one pass: what a denoiser is shown and what it should answer.
#pragma once

#include <span>

#include "engine/random.h"
#include "engine/tensor.h"

namespace lull {

// Both (N, H, W, C).
struct NoisedImages {
    Tensor input, target;
};

// With noise n ~ N(0, I) of each image's stream, input = a (y - mean) + b n and target = c (y - mean) + d n. y: (N, …), f32 (on
// CUDA f32 or bf16); factors: (N, 4) f32, an image's a, b, c and d; every preconditioner is such factors. Data: not
// differentiable.
NoisedImages noised(const Tensor& y, std::span<const RandomStream> streams, const Tensor& factors, double mean = 0);

}    // namespace lull
