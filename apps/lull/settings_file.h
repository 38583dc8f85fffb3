// The settings of a run as a file that --config takes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "apps/lull/data_options.h"

namespace lull {

// TOML with which `command` ("lull train") trains the same model again, bit for bit. Data that was not named is named in it, at
// the place where it was found.
std::string settings_file(const std::string& command, nlohmann::json settings, DataOptions data);

// "# " before every line.
std::string as_comment(const std::string& text);

}    // namespace lull
