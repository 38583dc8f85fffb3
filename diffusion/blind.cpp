#include "diffusion/blind.h"

#include <cmath>
#include <memory>
#include <utility>

#include "diffusion/schedule.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {
namespace {

// X = ŷ + σ̂ ε̂.
struct Parts {
    Tensor x, sigma, y, eps;
};

Parts parts(const PerImageDenoiser& D, const NoiseEstimator& estimate, const Tensor& x, double sigma) {
    const auto [X, sigma_hat, answers, clamped] = estimate(x, sigmas_of(x, sigma));
    const Tensor y = D(X, sigma_hat);
    check(y.shape() == x.shape(), "sampler", "expected a denoiser that returns ", x, ", got ", y);
    return {X, sigma_hat, y, (X - y) / sigma_hat};
}

}    // namespace

Denoiser blind_denoiser(PerImageDenoiser D, NoiseEstimator estimate) {
    return [D = std::move(D), estimate = std::move(estimate)](const Tensor& x, double sigma) {
        const auto [X, sigma_hat, answers, clamped] = estimate(x, sigmas_of(x, sigma));
        return D(X, sigma_hat);
    };
}

Resynchronised resynchronised(PerImageDenoiser D, NoiseEstimator estimate) {
    struct Last {
        Tensor x, y;    // D's answer for x at sigma
        double sigma = 0;
    };
    const auto last = std::make_shared<Last>();
    return {.D =
                [D, last](const Tensor& x, double sigma) {
                    const bool known = last->x.defined() && x.raw() == last->x.raw() && sigma == last->sigma;
                    return known ? last->y : D(x, sigmas_of(x, sigma));
                },
            .resynchronise =
                [D, estimate = std::move(estimate), last](const Tensor& x, double sigma) {
                    const auto [X, sigma_hat, y, eps] = parts(D, estimate, x, sigma);
                    *last = {.x = X + (sigma - sigma_hat) * eps, .y = y, .sigma = sigma};
                    return last->x;
                }};
}

std::function<DdimEstimate(const Tensor& x_t, const DdimStep& step)> blind_ddim(PerImageDenoiser D, NoiseEstimator estimate,
                                                                                DdimNoise noise, int times, double eta) {
    // σ_η of a step of 1/n from where the batch is.
    const auto from_median = [=](const Tensor& sigma_hat) {
        const double median = lower_median(alpha_bar(sigma_hat).values());
        const CosineSchedule cosine;
        const double t = cosine.t(std::sqrt((1 - median) / median)), t_next = std::max(0.0, t - 1.0 / times);
        return ddim_noise(eta, median, alpha_bar(cosine.sigma(t_next)));
    };
    return [=, D = std::move(D), estimate = std::move(estimate)](const Tensor& x_t, const DdimStep& step) {
        const double sigma = std::sqrt((1 - step.alpha_bar) / step.alpha_bar);
        const auto [X, sigma_hat, y, eps] = parts(D, estimate, x_t / std::sqrt(step.alpha_bar), sigma);
        double sigma_eta = step.sigma_eta;
        if (noise == DdimNoise::half) sigma_eta /= 2;
        if (noise == DdimNoise::median) sigma_eta = from_median(sigma_hat);
        return DdimEstimate{.y = y, .eps = eps, .sigma_eta = sigma_eta};
    };
}

Tensor sample_resynchronised(const SamplerChoice& choice, const PerImageDenoiser& D, const NoiseEstimator& estimate,
                             const ResynchroniseOptions& options, Tensor x, std::span<const double> sigmas, const Sampling& run) {
    if (choice.sampler == Sampler::ddim) {    // which finishes by itself
        SamplerChoice ddim = choice;
        ddim.ddim.estimate = blind_ddim(D, estimate, options.ddim_noise, static_cast<int>(sigmas.size()), choice.ddim.eta);
        return sample(ddim, {}, std::move(x), sigmas, run);
    }
    const Resynchronised hooks = resynchronised(D, estimate);
    Sampling watched = run;
    watched.resynchronise = hooks.resynchronise;
    bool stopped = false;
    watched.on_step = [&](int step, double sigma, const Tensor& at) {
        stopped = !run.step_done(step, sigma, at);
        return !stopped;
    };
    x = sample(choice, hooks.D, std::move(x), sigmas, watched);
    return options.finish && !stopped && sigmas.back() == 0 ? blind_denoiser(D, estimate)(x, 0) : x;
}

}    // namespace lull
