#include "apps/lull/run_options.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"

namespace lull {
namespace {

// A run goes on with its own settings: the only others are those that cannot change its numbers.
void check_resumable(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options()) {
        const std::string name = option->get_name();
        const bool allowed = name == "--resume" || name == "--data" || name == "--no-cache" || name == "--stop-after" ||
                             name == "--data-labels" || option->get_group() == kMachineGroup;
        check_usage(name != "--dry-run" || option->count() == 0, name,
                    "cannot be given with --resume, which has nothing to resolve; lull inspect RUN shows the run's settings");
        const bool length = name == "--steps" || name == "--epochs" || name == "--minutes";
        check_usage(option->count() == 0 || allowed, name, "cannot be given with --resume: the run keeps its settings",
                    length ? ", and its learning rate is planned to its last step" : "");
    }
}

}    // namespace

void add_outdir_option(CLI::App& app, RunSettings& s, const std::string& group) {
    app.add_option("--outdir", s.outdir, "folder of the run, new or empty (default: runs/DATA-PRESET-NNN)")
        ->type_name("DIR")
        ->check(named("a folder"))
        ->group(group);
}

void add_length_options(CLI::App& app, RunSettings& s) {
    const std::string group = "Length";
    app.add_option("--steps", s.steps, "steps of the optimizer")
        ->type_name("N")
        ->check(whole_number(1))
        ->capture_default_str()
        ->group(group);
    app.add_option("--epochs", s.epochs, "or how often every image is seen")
        ->type_name("X")
        ->check(number_above(0))
        ->excludes("--steps")
        ->group(group);
    app.add_option("--minutes", s.minutes,
                   "train this long instead, sample grids included: the first seconds measure the speed, then the number of "
                   "steps is fixed")
        ->type_name("M")
        ->check(number_above(0))
        ->excludes("--steps")
        ->excludes("--epochs")
        ->group(group);
    app.add_option("--batch", s.batch, "images per pass")
        ->type_name("N")
        ->check(whole_number(1, 65'536))
        ->capture_default_str()
        ->group(group);
    app.add_option("--accumulate", s.accumulate, "passes per step, whose gradients are averaged")
        ->type_name("N")
        ->check(whole_number(1))
        ->capture_default_str()
        ->group(group);
}

void add_optimizer_options(CLI::App& app, RunSettings& s) {
    const std::string group = "Optimizer (AdamW; one-cycle: the rate rises over 30% of the steps, then falls)";
    const auto number = [&](const char* flag, double& value, const ValueCheck& check, const char* text) {
        app.add_option(flag, value, text)->type_name("X")->check(check)->capture_default_str()->group(group);
    };
    number("--lr", s.learning_rate, number_above(0), "highest learning rate");
    number("--eps", s.eps, number_above(0), "AdamW's epsilon");
    number("--beta2", s.beta2, number_in(0, 1), "AdamW's beta2");
    number("--weight-decay", s.weight_decay, number_at_least(0), "decoupled weight decay of matrices and filters");
    number("--clip", s.clip, number_above(0), "longest gradient (global norm)");
    number("--ema", s.ema, number_in(0, 1), "decay per step of the averaged weights, after a warm-up");
}

void add_run_options(CLI::App& app, RunSettings& s, const std::string& count_help) {
    const std::string group = kRunGroup;
    app.add_option("--seed", s.seed, "of weights, order and noise")
        ->type_name("N")
        ->check(seed_number())
        ->capture_default_str()
        ->group(group);
    app.add_option("--sample-every", s.sample_every,
                   "steps between sample grids (default: a round number, five to twelve of them)")
        ->type_name("N")
        ->check(whole_number(1))
        ->group(group);
    app.add_option("--sample-count", s.sample_count, count_help)
        ->type_name("N")
        ->check(whole_number(0, 4096))
        ->capture_default_str()
        ->group(group);
    app.add_option(
           "--save-every", s.save_every,
           "steps between checkpoints, from which a run that was cut off goes on (default: as --sample-every, at most 1000)")
        ->type_name("N")
        ->check(whole_number(1))
        ->group(group);
    app.add_option("--keep", s.keep, "also keep the last N of them as checkpoint-STEP.safetensors; 0: only the newest")
        ->type_name("N")
        ->check(whole_number(0))
        ->capture_default_str()
        ->group(group);
    app.add_option("--stop-after", s.stop_after, "stop after N of the --steps, as Ctrl-C does; --resume makes the others")
        ->type_name("N")
        ->check(whole_number(1))
        ->configurable(false)
        ->group(group);
}

void check_length(const RunSettings& s) {
    check_usage(s.minutes > 0 || s.epochs > 0 || s.stop_after <= s.steps, "--stop-after", "expected at most --steps ", s.steps,
                ", got ", s.stop_after);
}

void add_run_actions(CLI::App& app, const RunActions& actions) {
    const auto resumed = std::make_shared<std::string>();
    app.add_option("--resume", *resumed, "go on with a run that was cut off, with its settings, from its last checkpoint")
        ->type_name("RUN")
        ->check(named("the folder of a run"))
        ->configurable(false)
        ->group(kRunGroup);
    const auto dry = std::make_shared<bool>(false);
    app.add_flag("--dry-run", *dry, "check everything and print the settings as resolved, as a file for --config; write nothing")
        ->configurable(false)
        ->group(kRunGroup);
    app.final_callback([&app, actions, resumed, dry] {
        if (app.count("--resume") > 0) {
            check_resumable(app);
            actions.resume(*resumed);
            std::cout << *resumed << '\n';
            return;
        }
        std::cout << (*dry ? actions.plan() : actions.train() + '\n');
    });
}

}    // namespace lull
