// A U-Net in a folder as diffusers keeps its UNet2DModel: config.json and diffusion_pytorch_model.safetensors.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "nn/checkpoint.h"
#include "nn/unet.h"

namespace lull {

inline constexpr const char *kDiffusersConfig = "config.json", *kDiffusersWeights = "diffusion_pytorch_model.safetensors";

// config.json, and the tensors under the names that they have today: attention once said query, key, value and proj_attn.
// weights: the file with the tensors, already read or not; config.json stands beside it. Throws Error, naming the file, when
// one cannot be read or is damaged.
Checkpoint read_diffusers(const std::filesystem::path& weights);
Checkpoint as_diffusers(const std::filesystem::path& weights, SafetensorsFile file);

// load_weights, and an Error also where the file holds a tensor that the network has no place for: then the configuration
// is not that of the weights.
void load_all_weights(UNet& unet, const Checkpoint& checkpoint);

// Makes the folder, whole or not at all, so that diffusers' UNet2DModel.from_pretrained loads it. height, width: of the images,
// for sample_size; 0: not known. description: lull's own, kept in the weights' metadata as in a checkpoint. Throws Error when
// something other than an empty folder is there, or it cannot be written.
void write_diffusers(const std::filesystem::path& folder, const UNet& unet, std::int64_t height, std::int64_t width,
                     const nlohmann::json& description);

}    // namespace lull
