// A training run: EDM on a data set, into a run folder.
#pragma once

#include <filesystem>

#include "apps/lull/train_settings.h"

namespace lull {

// Trains and returns the run's folder. Throws Error as the trainer and the files do.
std::filesystem::path train_model(const TrainSettings& settings);

// Goes on with a run that was cut off, from its last saved state, with its settings; what comes out is bit for bit what the
// whole run would have been. Of `settings`, data, machine and on_step count. Throws Error when the folder is no run, or
// the run is finished.
void resume_training(const std::filesystem::path& run, const TrainSettings& settings);

}    // namespace lull
