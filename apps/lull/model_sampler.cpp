#include "apps/lull/model_sampler.h"

#include <functional>

#include "diffusion/adaptive.h"

namespace lull {
namespace {

// labels: (N) i32.
Tensor some_of(const Tensor& labels, std::span<const std::int64_t> images) {
    Tensor some = empty({std::ssize(images)}, DType::i32);
    for (std::size_t i = 0; i < images.size(); ++i) some.data<std::int32_t>()[i] = labels.data<std::int32_t>()[images[i]];
    return some;
}

BatchSampler blind_sampler(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor& predictor,
                           const SamplingWatch& watch) {
    const auto report = [trace = watch.trace](const LevelReport& answers) {
        if (trace) trace->see(answers);
    };
    const ModelConfig& config = model.config;
    const NoiseEstimator estimate =
        estimator_of(predictor, config.image(), config.black, config.white, {.clamp = blind.clamp, .report = report});
    return [=, &model](const Tensor& labels, const Tensor& noise, std::span<const double> sigmas, const Sampling& run) {
        const auto denoiser = [&](const Tensor& some) {
            return watch.trace ? watch.trace->watch(model.per_image_denoiser(some)) : model.per_image_denoiser(some);
        };
        if (!blind.adaptive) return sample_blind(plan.choice, denoiser(labels), estimate, blind.options, noise, sigmas, run);
        const PerImageDenoiser unconditional = labels.defined() ? PerImageDenoiser() : denoiser({});
        const SomeDenoiser D = [&](const Tensor& x, const Tensor& sigma, std::span<const std::int64_t> images) {
            return unconditional ? unconditional(x, sigma) : denoiser(some_of(labels, images))(x, sigma);
        };
        const AdaptiveOptions options{
            .steps = plan.steps, .sigma_min = plan.sigma_min, .sigma_max = plan.sigma_max, .rho = plan.rho};
        const AdaptiveImages images = sample_adaptive(D, estimate, noise, options, run);
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
