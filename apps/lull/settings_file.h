// The settings of a run as a file that --config takes.
#pragma once

#include <string>

#include "apps/lull/train_settings.h"

namespace lull {

// TOML that trains the same model again, bit for bit. Data that was not named is named in it, at the place where it was found.
std::string settings_file(const TrainSettings& settings);

// "# " before every line.
std::string as_comment(const std::string& text);

}    // namespace lull
