// A model's sampler: ordinary or blind, watched or not.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "apps/lull/blind_settings.h"
#include "apps/lull/generate.h"

namespace lull {

// Who wants to know what of the sampling; nobody, where it is empty.
struct SamplingWatch {
    // Every answer of D, ŷ of the batch, (N, H, W, C) on the CPU, and about how many images D was asked. In adaptive sampling
    // these are those on their way, and ŷ of the others is what they became.
    std::function<void(const Tensor& y, std::int64_t asked)> denoised{};
    std::function<void(const NoiseEstimate& estimate)> estimated{};    // every estimate of a blind sampler
    std::vector<int>* evaluations = nullptr;    // of adaptive sampling: how many for each image, in the list's order
};

// predictor: that of the blind settings; null: sampling is ordinary. model, predictor and what watches must outlive it.
BatchSampler sampler_of(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor* predictor,
                        const SamplingWatch& watch);

}    // namespace lull
