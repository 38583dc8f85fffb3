// The training objective: E λ(σ) ‖D(y + σ n; σ) - y‖².
#pragma once

#include <cstdint>
#include <span>

#include "diffusion/denoiser.h"
#include "diffusion/preconditioner.h"
#include "diffusion/sigmas.h"

namespace lull {

// x = y + σ n, n ~ N(0, I).
struct NoisyImages {
    Tensor x;        // (N, H, W, C)
    Tensor sigma;    // (N, 1, 1, 1)
    Tensor n;        // (N, H, W, C)
};

// Noise for clean images y (N, H, W, C). positions: the images' places in the training stream, N of them; σ and n are
// functions of (seed, position), so how the stream is cut into batches never matters.
NoisyImages add_noise(const Tensor& y, const NoiseDistribution& distribution, std::uint64_t seed,
                      std::span<const std::uint64_t> positions);

struct DenoisingLoss {
    Tensor loss;         // the mean over images: a scalar, differentiable
    Tensor per_image;    // (N, 1, 1, 1), for plots of loss against σ; not differentiable
    Tensor sigma;        // (N, 1, 1, 1)
};

// The loss of y's noisy version. Because λ c_out² = 1, λ(σ) ‖D - y‖² equals ‖F - (y - c_skip x) / c_out‖², F the network's
// output: a plain mean squared error, with no large weight times small difference. For EDM it is one between two things of
// unit variance, for ε-prediction ‖ε̂ - ε‖². Both are means over an image's elements. Throws Error when shapes do not agree.
DenoisingLoss denoising_loss(const Network& network, const Preconditioner& p, const Tensor& y, const NoisyImages& noisy);

// The same in a training pass: clean images y and their places in the stream, as add_noise has them. On CUDA y is noised and
// preconditioned in one pass (engine/ops/noised), nothing is waited for, and sigma lies on the CPU, where it is drawn.
DenoisingLoss denoising_loss(const Network& network, const Preconditioner& p, const Tensor& y,
                             const NoiseDistribution& distribution, std::uint64_t seed, std::span<const std::uint64_t> positions);

// What F should answer, (y - mean - c_skip (x - mean)) / c_out, written with n, of which x has lost digits where σ is small:
// ((1 - c_skip) (y - mean) - c_skip σ n) / c_out.
Tensor network_target(const Preconditioner& p, const Tensor& y, const NoisyImages& noisy);

}    // namespace lull
