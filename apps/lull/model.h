// A trained model as its file describes it: network, preconditioner, and what its images are.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "diffusion/denoiser.h"
#include "diffusion/preconditioner.h"
#include "nn/checkpoint.h"
#include "nn/unet.h"

namespace CLI {
class App;
}

namespace lull {

struct ModelConfig {
    UNetConfig unet;
    Preconditioner preconditioner = EdmPreconditioner{};
    std::int64_t height = 32, width = 32;    // 0: not known
    double black = -1, white = 1;            // the values that the data was scaled to

    // (H, W, C). Throws Error when the size is not known, saying which flag gives it.
    Shape image() const;

    // The images' standard deviation, for pictures of noisy ones: EDM's σ_data; a third of the range where the model has no such.
    double contrast() const;
};

// What stands in a checkpoint's description under "model". Reading throws Error, naming what is missing or unknown.
nlohmann::json to_json(const ModelConfig& config);
ModelConfig model_config_from_json(const nlohmann::json& json);

struct Model {
    ModelConfig config;
    UNet unet;
    nlohmann::json description = {};    // all that a checkpoint says ("model", "data", "training", "step"); a foreign one: null
    std::filesystem::path file = {};    // with the weights
    bool averaged = false;              // whether the file has both the weights and their averages
    DType precision = DType::f32;       // or bf16: what the network computes in. Its weights are f32 here in either case

    // The network behind its preconditioner. Holds the weights by itself. labels: (N) i32, the classes of the N images of
    // every call; undefined for an unconditional model, and needed for a conditional one: else the call throws Error.
    Denoiser denoiser(const Tensor& labels = {}) const;
    PerImageDenoiser per_image_denoiser(const Tensor& labels = {}) const;
};

// What the command line says about a model.
struct ModelOptions {
    Weights weights = Weights::ema;
    // A diffusers folder knows none of these: EDM, σ_data 0.5, mean 0, ¼ ln σ and [-1, 1] unless they are given. A model of
    // lull's was trained with its own, and refuses others.
    std::optional<Preconditioner> objective = {};
    std::optional<double> sigma_data = {}, mean = {};
    std::optional<TimeInput> time_input = {};
    std::optional<double> black = {}, white = {};    // a model of lull's: shown so, instead of as it was trained
    std::optional<std::int64_t> height = {}, width = {};
};

// --precision, f32 or bf16: what a network computes in.
void add_precision_option(CLI::App& app, DType& precision, const std::string& group, const std::string& help);
// The type of that name. Throws UsageError for any other.
DType parse_precision(const std::string& name);

// --weights, ema or raw.
void add_weights_option(CLI::App& app, Weights& weights);

// The positional argument MODEL, needed.
void add_model_argument(CLI::App& app, std::filesystem::path& model);
// --weights, --objective, --sigma-data, --mean, --time-input, --range-low, --range-high, --image-size.
void add_model_options(CLI::App& app, ModelOptions& options);

// The file with a model's weights. path: that file, a run's folder (checkpoint.safetensors), a diffusers folder (config.json
// and diffusion_pytorch_model.safetensors), or a pipeline's, whose unet/ is one. Throws Error when there is none.
std::filesystem::path find_model(const std::filesystem::path& path);

// Throws Error, naming the file, when it cannot be read or is no such model, and UsageError when an option contradicts it.
Model load_model(const std::filesystem::path& path, const ModelOptions& options = {});

// SHA-256 of the weights as they are used (their names, shapes and values), 64 hexadecimal digits: the same for a checkpoint
// and for what is exported from it.
std::string model_hash(const Model& model);
std::string weights_hash(const std::vector<NamedTensor>& weights);

}    // namespace lull
