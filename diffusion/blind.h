// Blind sampling: the images are asked how noisy they are, not the schedule alone (fast.ai's lesson 22).
//
// A model that is told no noise level leaves noise behind, and nothing in the sampler knows of it. A predictor sees it: σ̂ of each
// image. There are two ways to use it, which are two methods:
//
//   resynchronised   the sampler starts each step from σ̂: X = ŷ + σ̂ ε̂ becomes ŷ + σ ε̂, which is what the schedule takes it for,
//                    so that each step puts right what was left before it. Euler's step is then X + (σ'-σ̂) ε̂: the lesson's.
//   blind denoiser   σ̂ is inside D alone, and the sampler goes on dividing by the schedule's σ: what is wrong stays wrong in
//                    proportion.
//
// Both take any sampler. Where the predictor is exact, both are ordinary sampling. docs/derivations/blind.md shows all this.
#pragma once

#include <functional>
#include <span>

#include "diffusion/denoiser.h"
#include "diffusion/noise_estimate.h"
#include "diffusion/sampler_choice.h"
#include "engine/tensor.h"

namespace lull {

// D(x; σ) = D(X; σ̂).
Denoiser blind_denoiser(PerImageDenoiser D, NoiseEstimator estimate);

// A sampler's D, and its hook (Sampling::resynchronise): ŷ + σ ε̂ for x. The hook's evaluation D(X; σ̂) is also D's answer for what
// it returns, so that steps cost what they do without it. Elsewhere in a step, such as Heun's second evaluation, D is D(x; σ).
struct Resynchronised {
    Denoiser D;
    std::function<Tensor(const Tensor& x, double sigma)> resynchronise;
};
Resynchronised resynchronised(PerImageDenoiser D, NoiseEstimator estimate);

// The σ_η of a step of the lesson's sampler (diffusion/ddim.h), and its two variants: half of it; and that of a step of the
// cosine schedule that begins where the batch's median â says, t̂ = (2/π) acos √median, and is 1/n long: images then depend on
// their batch.
enum class DdimNoise { schedule, half, median };

// The lesson's sampler as DdimOptions::estimate: ŷ = (x_t - √(1-â) ε̂)/√â, and all else the schedule's. times and eta, n and η,
// are for DdimNoise::median.
std::function<DdimEstimate(const Tensor& x_t, const DdimStep& step)> blind_ddim(PerImageDenoiser D, NoiseEstimator estimate,
                                                                                DdimNoise noise = DdimNoise::schedule,
                                                                                int times = 100, double eta = 1);

struct ResynchroniseOptions {
    // A last evaluation, where the sampler takes x to be clean: what the predictor still sees of noise is taken away. The
    // lesson's sampler has it, and DDIM always. Not where the caller stopped, or the last σ is not 0.
    bool finish = true;
    DdimNoise ddim_noise = DdimNoise::schedule;    // of Sampler::ddim; median is for cosine_sigmas
};

// sample(), resynchronised, with any sampler. The other way is sample(choice, blind_denoiser(D, estimate), …).
Tensor sample_resynchronised(const SamplerChoice& choice, const PerImageDenoiser& D, const NoiseEstimator& estimate,
                             const ResynchroniseOptions& options, Tensor x, std::span<const double> sigmas,
                             const Sampling& run = {});

}    // namespace lull
