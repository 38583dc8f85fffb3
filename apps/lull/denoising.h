// What a trained model makes of noisy images in one step: D(x; σ).
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/lull/data_options.h"
#include "apps/lull/model.h"
#include "apps/lull/options.h"

namespace lull {

struct DenoiseSettings {
    std::filesystem::path model;    // a run's folder, a checkpoint or a diffusers folder
    ModelOptions model_options;
    std::vector<double> sigmas;     // noise levels,
    std::vector<double> times;      // or times of the model's schedule, of the cosine schedule if it has none; neither: a ladder
    std::filesystem::path input;    // a safetensors file with x; empty: images of a data set
    DataOptions data;               // of which images; without a path: those of the model's own data set
    std::vector<std::uint64_t> index;    // which of its images; none: the first `count`, at most all
    std::int64_t count = 4;
    std::uint64_t seed = 0;          // of the noise
    std::string labels;              // of a conditional model; empty: the data set's own
    std::filesystem::path outdir;    // of the picture; empty: beside the weights
    std::filesystem::path save;      // the tensors; empty: not wanted
    bool loss = false;               // the training's loss on these images instead of all the above
    int scale = 2;
    DType precision = DType::f32;    // or bf16: what the network computes in
    MachineOptions machine;
};

// "0.02,0.3,1". Throws Error, saying what a list looks like, unless all are numbers above 0, at least one and at most 1,000.
std::vector<double> parse_sigmas(std::string_view text);

// "0.1,0.5,0.99". Throws Error likewise unless all are between 0 and 1.
std::vector<double> parse_times(std::string_view text);

// Noise n for images y (N, H, W, C), the same at every σ: that of image i depends on (seed, index[i]) alone.
Tensor denoising_noise(const Shape& shape, std::span<const std::uint64_t> index, std::uint64_t seed);

// What training makes small, on other images.
struct HeldOutLoss {
    double loss, error;    // the mean over the images, and its standard error
};

// Of a model of lull's on images y (N, H, W, C), each with noise of its own level, which is drawn as training drew levels, and is
// a function of seed and the image's place: two models see the same. labels: of a conditional model's images. Throws Error when
// the model does not say how it was trained, Interrupted.
HeldOutLoss held_out_loss(const Model& model, const Tensor& y, const std::vector<std::int32_t>& labels, std::uint64_t seed);

// Prints it for the images of the settings.
void print_held_out_loss(const DenoiseSettings& settings, std::ostream& out);

// Evaluates D at every σ: for x = y + σ n, y images of a data set, or for the input's "x", (N, C, H, W) f32, as it is. Writes
// OUTDIR/denoise-0-3.png (after the images or the input's name; -2 and so on if that is there), in whose rows, one per σ (or t,
// of a model with a schedule), stand x, D and y, of at most 8 images; and, if wanted, `save`: a safetensors file of S·N images,
// all N at the first σ, then all at the next, with "x" and "denoised" (S·N, C, H, W) f32 and "sigma" (S·N) f64. Prints, unless
// quiet, a line for every σ: for a data set the root mean square error of D and the weighted loss λ(σ) E (D - y)², otherwise what
// values D has; before them, which images these are. Returns the picture's path. Throws as sample_model does.
std::filesystem::path denoise_images(const DenoiseSettings& settings);

}    // namespace lull
