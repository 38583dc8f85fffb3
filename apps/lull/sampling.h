// Drawing from a trained model, into pictures and a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/lull/blind_settings.h"
#include "apps/lull/generate.h"
#include "apps/lull/model.h"
#include "apps/lull/options.h"

namespace lull {

struct SampleSettings {
    std::filesystem::path model;    // a run's folder, a checkpoint or a diffusers folder
    ModelOptions model_options;
    std::vector<std::uint64_t> seeds;
    std::string labels;    // of a conditional model: one for all images, or one for each; empty: seed modulo classes
    SamplingPlan plan;
    std::int64_t batch = 0;          // 0: default_batch
    std::filesystem::path outdir;    // of the pictures; empty: beside the weights
    std::filesystem::path save;      // the raw images; empty: not wanted
    bool trajectory = false;         // also a film-strip
    BlindSettings blind;
    bool explain = false;           // also what happened at each step, as a table and as curves
    std::filesystem::path judge;    // a predictor that says in them how much noise is left; empty: the blind one, if there is one
    int scale = 2;
    DType precision = DType::f32;    // or bf16: what the network computes in
    MachineOptions machine;
};

// The folder for pictures from a model: outdir, which is made, or the model's. Throws Error when it cannot be written to, or
// when `save`, unless it is empty, is there or cannot be: better before the work than after it.
std::filesystem::path prepare_outputs(const std::filesystem::path& model, const std::filesystem::path& outdir,
                                      const std::filesystem::path& save);

// As many images at a time as take about the memory of 64 of 32×32 pixels, but one for every thread, and at most 64.
std::int64_t default_batch(const Shape& image);

// How many images a picture shows at most: 4,096, and fewer when it would have more than 64 million pixels.
std::int64_t most_in_picture(const Shape& image, int scale);

// Draws the images and writes OUTDIR/samples-heun-18-seeds-0-63.png (or …-2.png if that is there), with the trajectory
// …-trajectory.png beside it, the table …-explain.tsv and the curves …-explain.png, and, if wanted, `save`: a safetensors file
// with "images", (N, C, H, W) f32 in the data's range, written as they come. Returns the pictures' paths. Throws UsageError when
// the plan is impossible, or there are more images than a picture shows and no `save`; Error when files are missing, damaged, or
// in the way, or as soon as an image is not finite; Interrupted after Ctrl-C. Then nothing is written.
std::vector<std::filesystem::path> sample_model(const SampleSettings& settings);

}    // namespace lull
