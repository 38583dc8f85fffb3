// A training run: EDM on a data set, into a run folder.
#pragma once

#include <filesystem>
#include <string>

#include "apps/lull/train_settings.h"

namespace lull {

// Trains and returns the run's folder. Ctrl-C, or settings.stop_after, ends it early with a checkpoint; Ctrl-C then throws
// Interrupted, whose line says how to go on. Throws Error as the trainer and the files do, with the step and the noise level
// when a loss is not finite; the last checkpoint then stands. A run that fails before its first step leaves no folder.
std::filesystem::path train_model(const TrainSettings& settings);

// What train_model would do, as a settings file with comments: data, size of the model, epochs, where it would write, and
// the settings as resolved. Throws as it would before its first step. Writes nothing.
std::string plan_training(const TrainSettings& settings);

// Goes on with a run that was cut off, from its last saved state, with its settings; what comes out is bit for bit what the
// whole run would have been. Of `settings`, data (empty: where it was), stop_after, machine and on_step count. Throws Error,
// with the folder as it was, when it is no run, damaged, finished, in use by another process, or its data has changed.
void resume_training(const std::filesystem::path& run, const TrainSettings& settings);

}    // namespace lull
