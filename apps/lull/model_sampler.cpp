#include "apps/lull/model_sampler.h"

#include <algorithm>

#include "diffusion/adaptive.h"
#include "diffusion/blind.h"

namespace lull {
namespace {

// labels: (N) i32.
Tensor some_of(const Tensor& labels, std::span<const std::int64_t> images) {
    Tensor some = empty({std::ssize(images)}, DType::i32);
    for (std::size_t i = 0; i < images.size(); ++i) some.data<std::int32_t>()[i] = labels.data<std::int32_t>()[images[i]];
    return some;
}

// `all` (N, …) f32 with the parts, (images.size(), …), in these images' places.
Tensor with_parts(const Tensor& all, const Tensor& parts, std::span<const std::int64_t> images) {
    Tensor copy = all.clone();
    const Tensor from = parts.contiguous();
    const std::int64_t size = all.elements() / all.size(0);
    for (std::size_t i = 0; i < images.size(); ++i)
        std::copy_n(from.data<float>() + static_cast<std::int64_t>(i) * size, size, copy.data<float>() + images[i] * size);
    return copy;
}

// D, and the watch told of each answer. D: a Denoiser or a PerImageDenoiser.
template <class D>
D watched(D denoiser, const SamplingWatch& watch) {
    if (!watch.denoised) return denoiser;
    return [denoiser = std::move(denoiser), told = watch.denoised](const Tensor& x, const auto& sigma) {
        const Tensor y = denoiser(x, sigma);
        told(y.to(Device::cpu), y.size(0));
        return y;
    };
}

NoiseEstimator watched_estimator(NoiseEstimator estimate, const SamplingWatch& watch) {
    if (!watch.estimated) return estimate;
    return [estimate = std::move(estimate), told = watch.estimated](const Tensor& x, const Tensor& sigma) {
        const NoiseEstimate seen = estimate(x, sigma);
        told(seen);
        return seen;
    };
}

Tensor adaptive(const Model& model, const SamplingPlan& plan, const NoiseEstimator& estimate, const Tensor& labels,
                const Tensor& noise, const Sampling& run, const SamplingWatch& watch) {
    const PerImageDenoiser unconditional = labels.defined() ? PerImageDenoiser() : model.per_image_denoiser();
    Tensor latest = noise;    // ŷ of all, once each was asked about
    const SomeDenoiser D = [&](const Tensor& x, const Tensor& sigma, std::span<const std::int64_t> images) {
        const Tensor y = unconditional ? unconditional(x, sigma) : model.per_image_denoiser(some_of(labels, images))(x, sigma);
        if (watch.denoised) watch.denoised(latest = with_parts(latest, y, images), std::ssize(images));
        return y;
    };
    const AdaptiveOptions options{.steps = plan.steps, .sigma_min = plan.sigma_min, .sigma_max = plan.sigma_max, .rho = plan.rho};
    const AdaptiveImages images = sample_adaptive(D, estimate, noise, options, run);
    if (watch.evaluations)
        watch.evaluations->insert(watch.evaluations->end(), images.evaluations.begin(), images.evaluations.end());
    return images.x;
}

BatchSampler blind_sampler(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor& predictor,
                           const SamplingWatch& watch) {
    const ModelConfig& config = model.config;
    const NoiseEstimator estimate =
        watched_estimator(estimator_of(predictor, config.image(), config.black, config.white, {.clamp = blind.clamp}), watch);
    return [=, &model](const Tensor& labels, const Tensor& noise, std::span<const double> sigmas, const Sampling& run) {
        if (blind.way == BlindWay::adaptive) return adaptive(model, plan, estimate, labels, noise, run, watch);
        const PerImageDenoiser D = watched(model.per_image_denoiser(labels), watch);
        if (blind.way == BlindWay::denoiser) return sample(plan.choice, blind_denoiser(D, estimate), noise, sigmas, run);
        return sample_resynchronised(plan.choice, D, estimate, blind.options, noise, sigmas, run);
    };
}

}    // namespace

BatchSampler sampler_of(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor* predictor,
                        const SamplingWatch& watch) {
    if (predictor) return blind_sampler(model, plan, blind, *predictor, watch);
    return ordinary([&model, watch](const Tensor& labels) { return watched(model.denoiser(labels), watch); }, plan);
}

}    // namespace lull
