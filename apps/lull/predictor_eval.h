// How good a noise-level predictor is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <ostream>

#include "apps/lull/data_options.h"
#include "apps/lull/options.h"
#include "apps/lull/predictor.h"

namespace lull {

struct PredictorEvalSettings {
    std::filesystem::path predictor;    // a run's folder or a checkpoint
    Weights weights = Weights::ema;
    DataOptions data;                // without a path those that it was trained on; of these the test part, if they have one
    std::int64_t count = 0;          // images; 0: all
    std::uint64_t seed = 0;          // of levels and noise
    std::filesystem::path outdir;    // of the picture; empty: beside the weights
    bool as_json = false;
    MachineOptions machine;
};

// The errors of the images whose σ lies in [low, high).
struct LevelRow {
    double low, high;
    std::int64_t images = 0;
    double bias = 0, rms = 0;    // of ln σ̂ - ln σ: its mean, and the root of its mean square
};

// Rows of two to a decade, without those that have no image.
std::vector<LevelRow> errors_by_level(const LevelAnswers& answers);

// Loss, constants and rows: {"loss", "logit_loss", "constants": [{"value", "expected_loss", "loss"}], "rows": […]}. logit_loss:
// the mean square error of the logit ᾱ that follows from σ̂, whatever the network answers.
nlohmann::json report(const NoiseLevelTask& task, const LevelAnswers& answers);

// Asks the predictor about images with noise, prints the report to `out`, unless quiet as a table or else as JSON, and writes
// OUTDIR/noise-level.png (-2 and so on if that is there), predicted against true. Returns the picture's path. Throws Error when
// files are missing or damaged.
std::filesystem::path evaluate_predictor(const PredictorEvalSettings& settings, std::ostream& out);

}    // namespace lull
