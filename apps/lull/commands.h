// The subcommands of lull: each adds itself, with its options and the function that runs it.
#pragma once

#include "apps/lull/options.h"

namespace CLI {
class App;
}

namespace lull {

void add_train_command(CLI::App& app);
void add_sample_command(CLI::App& app);

inline constexpr const char* kMachineGroup = "Machine";
// --threads, --device, --quiet, --config, of every subcommand.
void add_machine_options(CLI::App& app, MachineOptions& options);

// Parses the command line and runs what it asks for. Errors are one line on standard error. Returns the exit status: 0, 1
// when something failed, 2 when the command line is wrong, 130 after Ctrl-C (apps/lull/interrupt.h).
int run_command(int argc, const char* const* argv);

}    // namespace lull
