// The settings of a run that trains a noise-level predictor: lull noise-level train.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "apps/lull/run_settings.h"
#include "diffusion/noise_level.h"
#include "nn/resnet.h"

namespace lull {

// The lesson's by default: 20 epochs of Fashion-MNIST in batches of 512, one-cycle to 1e-2, Adam with ε 1e-5, no clipping.
struct PredictorSettings : RunSettings {
    PredictorSettings();

    std::string preset = "lesson";
    NoiseLevelTask task;
    std::optional<double> low, high;    // the range of the data; unless given, [-0.5, 0.5] as in the lesson, [-1, 1] for ln-sigma
    bool flip = false;
};

// What decides a run's numbers. Reading throws Error, naming what is missing.
nlohmann::json to_json(const PredictorSettings& settings);
PredictorSettings predictor_settings_from_json(const nlohmann::json& json);

std::span<const std::string_view> predictor_presets();    // "lesson", "tiny"

// What a preset says about the run; the network is predictor_network's. "tiny" is for trying things out: 300 small steps.
RunSettings run_of_preset(const std::string& preset);
// For images (H, W, C). Throws UsageError for a preset of another name.
ResNetConfig predictor_network(const std::string& preset, const Shape& image);

}    // namespace lull
