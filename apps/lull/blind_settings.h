// How lull sample uses a noise-level predictor.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "apps/lull/predictor.h"
#include "diffusion/blind.h"
#include "diffusion/noise_estimate.h"

namespace CLI {
class App;
}

namespace lull {

struct ModelConfig;
struct SamplingPlan;

// What the predictor's σ̂ is used for (diffusion/blind.h, diffusion/adaptive.h).
enum class BlindWay { resynchronised, denoiser, adaptive };

struct BlindSettings {
    std::filesystem::path predictor;    // a run's folder or a checkpoint; empty: sampling is ordinary
    BlindWay way = BlindWay::resynchronised;
    ResynchroniseOptions options;    // of resynchronised
    LevelClamp clamp = LevelClamp::schedule;
};

// --blind, --blind-way, --blind-clamp, --blind-noise, --no-finish.
void add_blind_options(CLI::App& app, BlindSettings& settings);

// Throws UsageError when the flags that were given do not go together, or with the plan.
void check_blind(const CLI::App& app, const BlindSettings& settings, const SamplingPlan& plan);

// What the predictor says of a model's images, whose values go from black to white: in their units, whatever its own range.
// Throws Error when it is for images of another size.
NoiseEstimator estimator_of(const Predictor& predictor, const Shape& image, double black, double white,
                            const EstimatorOptions& options);
// The same with the predictor's own form and no clamp: an outsider's judgement.
NoiseEstimator judge_of(const Predictor& predictor, const Shape& image, double black, double white);

// A line for the user when images start from more noise than the predictor was ever shown; empty when they do not.
std::string warning_of(const Predictor& predictor, const ModelConfig& model, const SamplingPlan& plan);

// For the text of pictures.
std::map<std::string, std::string> describe(const BlindSettings& settings, const Predictor& predictor);

}    // namespace lull
