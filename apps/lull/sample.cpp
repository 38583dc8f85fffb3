#include <CLI/CLI.hpp>

#include "apps/lull/commands.h"

namespace lull {

void add_sample_command(CLI::App& app) { app.add_subcommand("sample", "Make images with a trained model"); }

}    // namespace lull
