// The settings of a run that trains a denoiser: lull train.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "apps/lull/run_settings.h"
#include "diffusion/sigmas.h"
#include "engine/dtype.h"
#include "nn/unet_config.h"

namespace lull {

struct TrainSettings : RunSettings {
    std::string preset = "s16";
    DType precision = DType::f32;    // or bf16: what the network computes in; weights, loss and optimizer are f32 in either case
    LogNormal noise_level;           // P_mean, P_std
    double sigma_data = 0;           // 0: the data's standard deviation
    bool center = false;             // take the data's mean out of what the network sees
    bool flip = false;
    bool conditional = false;    // the network is told the images' classes
};

// What decides a run's numbers. Reading throws Error, naming what is missing.
nlohmann::json to_json(const TrainSettings& settings);
TrainSettings train_settings_from_json(const nlohmann::json& json);

std::span<const std::string_view> preset_names();

// "s16", "m32", or "tiny": two levels of 8 and 16 channels, for trying things out. Throws UsageError for another.
UNetConfig model_preset(const std::string& name);

}    // namespace lull
