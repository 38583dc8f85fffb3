// DDPM and DDIM as fast.ai's lesson 22 has them, in the form that keeps x's variance: x_t = √ᾱ y + √(1-ᾱ) ε. Ancestral Euler
// (samplers.h) is the same step in σ (docs/derivations/ddim.md).
#pragma once

#include <functional>
#include <span>

#include "diffusion/denoiser.h"
#include "diffusion/samplers.h"

namespace lull {

// σ_η = η √((1-ᾱ')/(1-ᾱ)) √(1-ᾱ/ᾱ'), the fresh noise of a step from ᾱ to ᾱ': Song et al. 2020 (arXiv 2010.02502), equation 16.
// 0 where it is 0/0, at ᾱ = ᾱ' = 1.
double ddim_noise(double eta, double alpha_bar, double alpha_bar_next);

// A step from ᾱ to ᾱ' ≥ ᾱ.
struct DdimStep {
    double alpha_bar, alpha_bar_next;
    double sigma_eta;    // ddim_noise of these
};

// What a step takes x_t = √ᾱ ŷ + √(1-ᾱ) ε̂ to be made of, (N, …) both, and how much fresh noise it adds.
struct DdimEstimate {
    Tensor y, eps;
    double sigma_eta;
};

struct DdimOptions {
    double eta = 1;       // η: 0 is DDIM, 1 DDPM with its small variance β̃; ≥ 0
    double clip = 1.5;    // ŷ is kept within ±clip, in units of the data's range; ∞: left alone. ε̂ is left as it was
    double stop_noise = 0.01;    // σ_η = 0 where 1-ᾱ' ≤ σ_η² + stop_noise: the last steps add no noise; ≥ 0
    // Instead of ŷ = D(x_t/√ᾱ; σ), ε̂ = (x_t - √ᾱ ŷ)/√(1-ᾱ) and the step's own σ_η, such as that of a model that sees by itself
    // how noisy x_t is. It is asked once more at the end, at ᾱ = ᾱ' = 1, where it may still see noise.
    std::function<DdimEstimate(const Tensor& x_t, const DdimStep& step)> estimate{};
};

// The samplers' contract (samplers.h): x and what on_step sees are x_t/√ᾱ, and ᾱ = 1/(1+σ²). The lesson starts from
// x_t ~ N(0, I), which is start_noise of level √(1+σ²), and goes down cosine_sigmas. Costs one evaluation per step.
Tensor sample_ddim(const Denoiser& D, Tensor x, std::span<const double> sigmas, const DdimOptions& options = {},
                   const Sampling& run = {});

}    // namespace lull
