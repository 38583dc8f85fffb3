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
};

// Noise for clean images y (N, H, W, C). positions: the images' places in the training stream, N of them; σ and n are
// functions of (seed, position), so how the stream is cut into batches never matters.
NoisyImages add_noise(const Tensor& y, const LogNormal& noise_level, std::uint64_t seed,
                      std::span<const std::uint64_t> positions);

struct EdmLoss {
    Tensor loss;         // the mean over images: a scalar, differentiable
    Tensor per_image;    // (N, 1, 1, 1), for plots of loss against σ; not differentiable
};

// EDM's loss of y's noisy version. Because λ c_out² = 1, λ(σ) ‖D - y‖² equals ‖F - (y - c_skip x) / c_out‖², F the network's
// output: a plain mean squared error between two things of unit variance, with no large weight times small difference.
// Both are means over an image's elements. Throws Error when shapes do not agree.
EdmLoss edm_loss(const Network& network, const EdmPreconditioner& edm, const Tensor& y, const NoisyImages& noisy);

// What F should answer: (y - mean - c_skip (x - mean)) / c_out.
Tensor network_target(const EdmPreconditioner& edm, const Tensor& y, const NoisyImages& noisy);

}    // namespace lull
