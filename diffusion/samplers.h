// Samplers: from noise to images along the probability-flow ODE dx/dσ = (x - D(x; σ)) / σ, or an SDE beside it.
//
// One contract for all. x: (N, …), floating, images plus noise of level sigmas[0] (start_noise makes it). sigmas:
// descending, positive, the last one 0 for a finished image; an integration may also end at a σ > 0. They cost one
// evaluation of D per step, except Heun's two on every step that does not end in 0. Returns x at the last σ, or where it
// was when the caller stopped. Throws Error when the list is not such a list, or D changes the shape.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "diffusion/denoiser.h"
#include "engine/tensor.h"

namespace lull {

// What a sampler needs to know about the run around it.
struct Sampling {
    // Each image's own seed: its noise is a function of (seed, step) and of nothing else. Needed where noise is drawn.
    std::vector<std::uint64_t> seeds{};
    // Called after each step with its number (from 0), the σ that was reached and x there. Returning false stops.
    std::function<bool(int step, double sigma, const Tensor& x)> on_step{};
    // Noise from elsewhere, instead of the seeds': (N, …) like x.
    std::function<Tensor(const Tensor& x, int step)> step_noise{};
    // Asked before a step's first evaluation of D: x as it should be at that σ, for a sampler that is blind (blind.h).
    std::function<Tensor(const Tensor& x, double sigma)> resynchronise{};

    Tensor noise(const Tensor& x, int step) const;    // N(0, I), like x
    Tensor resynchronised(const Tensor& x, double sigma) const { return resynchronise ? resynchronise(x, sigma) : x; }
    bool step_done(int step, double sigma, const Tensor& x) const { return !on_step || on_step(step, sigma, x); }
};

// The number of steps in a list of noise levels, after a look at the list. Throws Error, "[where] …", when it is no such list.
int count_steps(std::string_view where, std::span<const double> sigmas);

// x at the first σ: σ_max n, (N, …image) for N seeds. image: the shape of one, (H, W, C). A sampler goes on where x lies.
Tensor start_noise(std::span<const std::uint64_t> seeds, const Shape& image, double sigma_max, DType dtype = DType::f32,
                   Device device = Device::cpu);

// Euler's method: first order. DDIM (ddim.h) in another notation.
Tensor sample_euler(const Denoiser& D, Tensor x, std::span<const double> sigmas, const Sampling& run = {});

struct AncestralOptions {
    double eta = 1;           // η: 0 is Euler, 1 is DDPM's posterior; ≥ 0
    double stop_noise = 0;    // σ_up = 0 where σ_down² ≤ stop_noise (1 + σ'²): the last steps add no noise. DDIM's rule has 0.01
};

// Ancestral Euler: each step goes down further than asked, to σ_down, and adds noise of σ_up: σ_down² + σ_up² = σ'².
Tensor sample_ancestral(const Denoiser& D, Tensor x, std::span<const double> sigmas, const AncestralOptions& options = {},
                        const Sampling& run = {});

// The letters of Algorithm 2 (Karras et al. 2022). s_churn 0 is the deterministic Algorithm 1.
struct HeunOptions {
    double s_churn = 0;
    double s_tmin = 0, s_tmax = HUGE_VAL;    // σ between them (inclusive) are churned
    double s_noise = 1;

    // γ: by how much of itself σ is raised before a step, of `steps` steps.
    double churn(double sigma, int steps) const {
        return sigma >= s_tmin && sigma <= s_tmax ? std::min(s_churn / steps, std::sqrt(2.0) - 1) : 0;
    }
};

// Stochastic Heun, Algorithm 2: second order; the step to 0 is Euler's. Costs 2·steps - 1 evaluations.
Tensor sample_heun(const Denoiser& D, Tensor x, std::span<const double> sigmas, const HeunOptions& options = {},
                   const Sampling& run = {});

// dx/dσ at one σ.
struct Slope {
    double sigma;
    Tensor value;
};

struct LmsOptions {
    int order = 4;                   // 1 to 4: how many slopes a step combines
    std::vector<Slope> history{};    // slopes from before sigmas[0], the latest last: the start is then of full order too
};

// Linear multistep (Adams–Bashforth on an uneven grid): the polynomial through the last `order` slopes, integrated over
// the step. The first steps have fewer slopes and a lower order. The step to 0 extrapolates like any other.
Tensor sample_lms(const Denoiser& D, Tensor x, std::span<const double> sigmas, const LmsOptions& options = {},
                  const Sampling& run = {});

// ∫ from `from` to `to` of the Lagrange basis polynomial that is 1 at nodes[j] and 0 at the others; at most 4 nodes.
double lagrange_integral(std::span<const double> nodes, int j, double from, double to);

}    // namespace lull
