// A trained model as its checkpoint describes it: network, preconditioner, and what its images are.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "diffusion/denoiser.h"
#include "diffusion/preconditioner.h"
#include "nn/checkpoint.h"
#include "nn/unet.h"

namespace lull {

struct ModelConfig {
    UNetConfig unet;
    EdmPreconditioner edm;
    std::int64_t height = 32, width = 32;
    double black = -1, white = 1;    // the values that the data was scaled to

    Shape image() const { return {height, width, unet.in_channels}; }    // (H, W, C)
};

// What stands in a checkpoint's description under "model". Reading throws Error, naming what is missing or unknown.
nlohmann::json to_json(const ModelConfig& config);
ModelConfig model_config_from_json(const nlohmann::json& json);

struct Model {
    ModelConfig config;
    UNet unet;

    // The network behind its preconditioner. Holds the weights by itself.
    Denoiser denoiser() const;
};

// Throws Error, naming the file, when it cannot be read or is no checkpoint of such a model.
Model load_model(const std::filesystem::path& checkpoint, Weights which);

}    // namespace lull
