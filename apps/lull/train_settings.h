// The settings of a run that trains a denoiser: lull train.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "apps/lull/run_settings.h"
#include "diffusion/preconditioner.h"
#include "diffusion/sigmas.h"
#include "engine/dtype.h"
#include "nn/data/image_dataset.h"
#include "nn/unet_config.h"

namespace lull {

struct TrainSettings : RunSettings {
    std::string preset = "s16", network;    // network: empty: that of the preset's name
    DType precision = DType::f32;     // or bf16: what the network computes in; weights, loss and optimizer are f32 in either case
    double low = -1, high = 1;        // what the data's black and white become
    std::string objective = "edm";    // what the network answers: a name of Preconditioner's
    std::string noise = "lognormal";    // how noise levels are drawn: a name of NoiseDistribution's
    std::string time_input;             // what the network is told of them; empty: what goes with the other two
    LogNormal log_normal;               // P_mean, P_std, of lognormal
    double sigma_data = 0;              // of edm; 0: the data's standard deviation
    bool center = false;                // take the data's mean out of what the network sees
    bool flip = false;
    bool conditional = false;    // the network is told the images' classes

    NoiseDistribution noise_distribution() const;
    // With everything that was left to the data.
    TrainSettings resolved(const Statistics& statistics) const;
    Preconditioner preconditioner(const Statistics& statistics) const;    // of resolved settings
};

// What decides a run's numbers. Reading throws Error, naming what is missing.
nlohmann::json to_json(const TrainSettings& settings);
TrainSettings train_settings_from_json(const nlohmann::json& json);

std::span<const std::string_view> network_names();    // "s16", "m32", "tiny"
std::span<const std::string_view> preset_names();     // the same, and "ddim-cosine"

// "s16", "m32", or "tiny": two levels of 8 and 16 channels, for trying things out. Throws UsageError for another.
UNetConfig network_config(const std::string& name);

// What a preset says besides its network: flags and their values, for what the user leaves open.
std::span<const std::pair<const char*, const char*>> preset_flags(std::string_view preset);

}    // namespace lull
