// The flags of every command that trains.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/lull/run_settings.h"

namespace CLI {
class App;
}

namespace lull {

// --outdir, under this heading.
void add_outdir_option(CLI::App& app, RunSettings& settings, const std::string& group);
// --steps, --epochs, --minutes, --batch, --accumulate.
void add_length_options(CLI::App& app, RunSettings& settings);
// --lr, --eps, --beta2, --weight-decay, --clip, --ema.
void add_optimizer_options(CLI::App& app, RunSettings& settings);
// --seed, --sample-every, --sample-count, --save-every, --keep, --stop-after. count_help: what --sample-count is.
void add_run_options(CLI::App& app, RunSettings& settings, const std::string& count_help);

inline constexpr const char* kRunGroup = "Run";

// What a command that trains can do; each gets the settings from where the command keeps them.
struct RunActions {
    std::function<std::string()> train;    // returns the run's folder
    std::function<std::string()> plan;     // returns the settings as a file
    std::function<void(const std::string& folder)> resume;
};

// --resume and --dry-run, and that the command runs one of the three, and prints what comes out.
void add_run_actions(CLI::App& app, const RunActions& actions);
// What is wrong with the settings of a new run, as UsageError.
void check_length(const RunSettings& settings);

}    // namespace lull
