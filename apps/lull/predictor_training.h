// A training run of a noise-level predictor, into a run folder.
#pragma once

#include <filesystem>
#include <string>

#include "apps/lull/predictor_settings.h"

namespace lull {

// As train_model, plan_training and resume_training of apps/lull/training.h, for a regressor of the noise level. The pictures in
// samples/ show what it predicts against what is true, of sample_count training images with noise that it has not seen.
std::filesystem::path train_predictor(const PredictorSettings& settings);
std::string plan_predictor(const PredictorSettings& settings);
void resume_predictor(const std::filesystem::path& run, const PredictorSettings& settings);

}    // namespace lull
