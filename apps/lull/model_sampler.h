// A model's sampler: ordinary or blind, watched or not.
#pragma once

#include <vector>

#include "apps/lull/blind_settings.h"
#include "apps/lull/generate.h"
#include "apps/lull/trace.h"

namespace lull {

// What is to be known of the sampling afterwards.
struct SamplingWatch {
    Trace* trace = nullptr;                     // sees every evaluation and every blind answer
    std::vector<int>* evaluations = nullptr;    // of adaptive sampling: of each image, in the list's order
};

// predictor: that of the blind settings; null: sampling is ordinary. model, predictor and what watches must outlive it.
BatchSampler sampler_of(const Model& model, const SamplingPlan& plan, const BlindSettings& blind, const Predictor* predictor,
                        const SamplingWatch& watch);

}    // namespace lull
