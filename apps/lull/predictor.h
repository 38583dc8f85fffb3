// A trained noise-level predictor as its file describes it: network, what it answers, and what its images are.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "diffusion/noise_estimate.h"
#include "diffusion/noise_level.h"
#include "nn/checkpoint.h"
#include "nn/data/image_dataset.h"
#include "nn/resnet.h"

namespace lull {

struct PredictorConfig {
    ResNetConfig resnet;
    NoiseLevelTask task;
    double black = -0.5, white = 0.5;    // the values that the data was scaled to; σ is in units of these

    Shape image() const { return {resnet.height, resnet.width, resnet.in_channels}; }    // (H, W, C)
};

// The key of a checkpoint's description under which it stands, as "model" is that of a denoiser.
inline constexpr const char* kPredictorPart = "noise_level";

// What stands there. Reading throws Error, naming what is missing or wrong.
nlohmann::json to_json(const PredictorConfig& config);
PredictorConfig predictor_config_from_json(const nlohmann::json& json);

struct Predictor {
    PredictorConfig config;
    ResNet net;
    nlohmann::json description = {};    // all that the checkpoint says
    std::filesystem::path file = {};
    bool averaged = false;    // whether the file has both the weights and their averages

    // For x in the predictor's own range. Holds the weights by itself, and computes where they lie.
    NoiseLevelPredictor function() const;
};

// Whether a run's folder or a checkpoint holds a predictor. False for whatever else there is, or is not.
bool is_predictor(const std::filesystem::path& path);

// path: a run's folder, or a checkpoint. Throws Error, naming the file, when it cannot be read or is no predictor.
Predictor load_predictor(const std::filesystem::path& path, Weights weights = Weights::ema);

// SHA-256 of weights and statistics as they are used, 64 hexadecimal digits.
std::string predictor_hash(const Predictor& predictor);

// Images with noise that the predictor looked at: what it answered, and what is true.
struct LevelAnswers {
    std::vector<double> sigma, predicted;    // σ and σ̂
    double loss = 0;                         // the mean square of answer - truth, in what the predictor answers
};

// Asks it about the first `count` images of the data (again from the first if there are fewer), each with noise of a level and
// kind of its own, which depend on seed and the image's number alone, at numbers that no training reaches. data: in the
// predictor's range. Throws Interrupted.
LevelAnswers ask(const PredictorConfig& config, const ResNet& net, const ImageDataset& data, std::int64_t count,
                 std::uint64_t seed);

}    // namespace lull
