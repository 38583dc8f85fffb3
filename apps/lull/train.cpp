#include <CLI/CLI.hpp>

#include "apps/lull/commands.h"

namespace lull {

void add_train_command(CLI::App& app) { app.add_subcommand("train", "Train a model on a data set"); }

}    // namespace lull
