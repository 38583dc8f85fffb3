// Drawing from a trained model, into a picture and a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/lull/generate.h"
#include "apps/lull/model.h"
#include "apps/lull/options.h"

namespace lull {

struct SampleSettings {
    std::filesystem::path model;    // a run's folder, a checkpoint or a diffusers folder
    ModelOptions model_options;
    std::vector<std::uint64_t> seeds;
    SamplingPlan plan;
    std::int64_t batch = 64;
    std::filesystem::path outdir;    // of the picture; empty: beside the weights
    std::filesystem::path save;      // the raw images; empty: not wanted
    int scale = 2;
    MachineOptions machine;
};

// Draws the images and writes OUTDIR/samples-heun-18-seeds-0-63.png (or …-2.png if that is there) and, if wanted, `save`: a
// safetensors file with "images", (N, C, H, W) f32 in the data's range. Returns the picture's path. Throws UsageError when
// the plan is impossible, Error when files are missing, damaged, or in the way, or when an image is not finite.
std::filesystem::path sample_model(const SampleSettings& settings);

}    // namespace lull
