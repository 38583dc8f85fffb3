// The subcommands of lull: each adds itself, with its options and the function that runs it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/lull/options.h"

namespace CLI {
class App;
class Option;
}    // namespace CLI

namespace lull {

void add_train_command(CLI::App& app);
void add_sample_command(CLI::App& app);
void add_denoise_command(CLI::App& app);
void add_export_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_data_command(CLI::App& app);
void add_noise_level_command(CLI::App& app);
void add_manual_commands(CLI::App& app);    // help, completion, man; after the others

// Commands that are added from now on show their --help as help_text.cpp has it.
void use_manual_help(CLI::App& app);

inline constexpr const char* kMachineGroup = "Machine";
// --scale, of every subcommand that draws pictures of images.
void add_scale_option(CLI::App& app, int& scale, const std::string& group);
// --threads, --device, --quiet, --config, of every subcommand.
void add_machine_options(CLI::App& app, MachineOptions& options);

// Lets an option or argument take one of these names alone; an error gives the nearest. `what` they name: "sampler".
// Shells complete them.
void expect_one_of(CLI::Option* option, const std::string& what, const std::vector<std::string_view>& names);

// Parses the command line and runs what it asks for. Errors are one line on standard error. Returns the exit status: 0, 1
// when something failed, 2 when the command line is wrong, 130 after Ctrl-C (apps/lull/interrupt.h).
int run_command(int argc, const char* const* argv);

}    // namespace lull
