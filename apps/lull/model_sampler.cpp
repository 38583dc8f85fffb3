#include "apps/lull/model_sampler.h"

#include <functional>

#include "diffusion/adaptive.h"

namespace lull {
namespace {

BatchSampler blind_sampler(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor& predictor,
                           const SamplingWatch& watch) {
    const auto report = [trace = watch.trace](const LevelReport& answers) {
        if (trace) trace->see(answers);
    };
    const ModelConfig& config = model.config;
    const NoiseEstimator estimate =
        estimator_of(predictor, config.image(), config.black, config.white, {.clamp = blind.clamp, .report = report});
    return [=, &model](const Tensor& labels, const Tensor& noise, std::span<const double> sigmas, const Sampling& run) {
        PerImageDenoiser D = model.per_image_denoiser(labels);
        if (watch.trace) D = watch.trace->watch(D);
        if (!blind.adaptive) return sample_blind(plan.choice, D, estimate, blind.options, noise, sigmas, run);
        const AdaptiveImages images = sample_adaptive(
            D, estimate, noise, {.steps = plan.steps, .sigma_min = plan.sigma_min, .sigma_max = plan.sigma_max, .rho = plan.rho},
            run);
        if (watch.evaluations)
            watch.evaluations->insert(watch.evaluations->end(), images.evaluations.begin(), images.evaluations.end());
        return images.x;
    };
}

}    // namespace

BatchSampler sampler_of(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor* predictor,
                        const SamplingWatch& watch) {
    if (predictor) return blind_sampler(model, plan, blind, *predictor, watch);
    const auto D = [&model, trace = watch.trace](const Tensor& labels) {
        return trace ? trace->watch(model.denoiser(labels)) : model.denoiser(labels);
    };
    return ordinary(D, plan);
}

}    // namespace lull
