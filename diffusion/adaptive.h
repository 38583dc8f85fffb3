// Adaptive sampling: the predictor's σ̂, and not a schedule, says where an image is, how far its next step goes, and when it is
// finished.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "diffusion/noise_estimate.h"
#include "diffusion/samplers.h"

namespace lull {

struct AdaptiveOptions {
    // A step goes from σ̂ one step of EDM's grid (karras_sigmas) of so many steps further down: as far as that grid's steps are at
    // that σ.
    int steps = 18;
    double sigma_min = 0.002, sigma_max = 80, rho = 7;
    // An image is finished, and becomes D(X; σ̂), when σ̂ ≤ σ_min, when the predictor's answer has not fallen for so many steps, or
    // when D was evaluated `most` times for it (0: twice the steps). A clamp is around what the last step was to reach, and falls
    // with it: it bounds how far a step goes (σ̂), and has no say in whether steps still help (the answer before it).
    int patience = 2;
    int most = 0;
};

struct AdaptiveImages {
    Tensor x;                        // (N, …)
    std::vector<int> evaluations;    // of D, for each image
};

// D of some images of the batch, with each one's own σ: images[i] is x's image i. For a model that is told a label of each.
using SomeDenoiser = std::function<Tensor(const Tensor& x, const Tensor& sigma, std::span<const std::int64_t> images)>;

// Euler's method, each image at its own σ̂ and for as many steps as it takes: σ'^{1/ρ} = σ̂^{1/ρ} - (σ_max^{1/ρ} - σ_min^{1/ρ}) /
// (steps - 1), at least σ_min. x: noise of level sigma_max, (N, …). The estimate is asked about x at the σ that its last step was
// to reach. An image depends on no other as long as its estimate does not. run.on_step gets the number of the round, the largest
// σ that one was to reach, and all images. With an exact predictor this is sample_euler on karras_sigmas.
AdaptiveImages sample_adaptive(const SomeDenoiser& D, const NoiseEstimator& estimate, const Tensor& x,
                               const AdaptiveOptions& options = {}, const Sampling& run = {});
AdaptiveImages sample_adaptive(const PerImageDenoiser& D, const NoiseEstimator& estimate, const Tensor& x,
                               const AdaptiveOptions& options = {}, const Sampling& run = {});

}    // namespace lull
