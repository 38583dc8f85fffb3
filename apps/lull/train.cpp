#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "apps/lull/training.h"

namespace lull {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  lull train                                       # s16 on Fashion-MNIST, 1,300 steps\n"
    "  lull train --minutes 10 --outdir runs/ten        # as many steps as ten minutes hold\n"
    "  lull train --resume runs/ten                     # what was cut off or stopped goes on\n"
    "  lull train --preset m32 --batch 512 --lr 1e-2    # the large network\n"
    "  lull train --data pictures --size 64             # a folder of PNG pictures, made 64x64\n"
    "  lull train --config runs/ten/config.toml --seed 1 --outdir runs/other\n"
    "  lull train --dry-run > my.toml                   # the settings, to change and use with --config\n"
    "The folder gets config.json, config.toml, log.jsonl, loss.png, samples/, checkpoint.safetensors and\n"
    "training_state.safetensors; lull sample FOLDER draws from it.";

constexpr const char* kRunGroup = "Run";

// A run goes on with its own settings: the only others are those that cannot change its numbers.
void check_resumable(const CLI::App& train) {
    for (const CLI::Option* option : train.get_options()) {
        const std::string name = option->get_name();
        const bool allowed = name == "--resume" || name == "--data" || name == "--no-cache" || name == "--stop-after" ||
                             name == "--data-labels" || option->get_group() == kMachineGroup;
        check_usage(name != "--dry-run" || option->count() == 0, name,
                    "cannot be given with --resume, which has nothing to resolve; lull inspect RUN shows the run's settings");
        const bool length = name == "--steps" || name == "--minutes";
        check_usage(option->count() == 0 || allowed, name, "cannot be given with --resume: the run keeps its settings",
                    length ? ", and its learning rate is planned to its last step" : "");
    }
}

void add_model_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Model";
    CLI::Option* preset =
        app.add_option("--preset", s.preset, "network: s16 (0.9 M parameters), m32 (15.9 M, attention), tiny (for trials)");
    expect_one_of(preset->type_name("NAME")->capture_default_str()->group(group), "preset",
                  {preset_names().begin(), preset_names().end()});
    app.add_flag("--xflip", s.flip, "mirror images left-right by chance")->group(group);
    app.add_flag("--conditional", s.conditional, "tell the network each image's class, so that sample --labels can ask for one")
        ->group(group);
    app.add_flag("--center", s.center, "take the data's mean out of what the network sees")->group(group);
    app.add_option("--outdir", s.outdir, "folder of the run, new or empty (default: runs/DATA-PRESET-NNN)")
        ->type_name("DIR")
        ->check(named("a folder"))
        ->group(group);
}

void add_length_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Length";
    app.add_option("--steps", s.steps, "steps of the optimizer")
        ->type_name("N")
        ->check(whole_number(1))
        ->capture_default_str()
        ->group(group);
    app.add_option("--minutes", s.minutes,
                   "train this long instead, sample grids included: the first seconds measure the speed, then the number of "
                   "steps is fixed")
        ->type_name("M")
        ->check(number_above(0))
        ->excludes("--steps")
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

void add_optimizer_options(CLI::App& app, TrainSettings& s) {
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

void add_noise_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Noise (EDM; sigma in units of the data's range, [-1, 1])";
    app.add_option("--P-mean", s.noise_level.mean, "mean of ln sigma")
        ->type_name("X")
        ->check(number_in(-10, 10))
        ->capture_default_str()
        ->group(group);
    app.add_option("--P-std", s.noise_level.std, "standard deviation of ln sigma")
        ->type_name("X")
        ->check(number_in(0.01, 5))
        ->capture_default_str()
        ->group(group);
    app.add_option("--sigma-data", s.sigma_data, "the data's standard deviation (default: measured)")
        ->type_name("X")
        ->check(number_above(0))
        ->group(group);
}

void add_run_options(CLI::App& app, TrainSettings& s) {
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
    app.add_option("--sample-count", s.sample_count, "images in each grid; 0: no grids")
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
    add_precision_option(app, s.precision, group,
                         "f32, or bf16: the network's weights and values rounded to 8 significant bits; weights, loss and "
                         "optimizer stay f32, and so does the checkpoint. On a CPU it is not faster, and serves to see "
                         "what bf16 does to training");
    add_machine_options(app, s.machine);
}

}    // namespace

void add_train_command(CLI::App& app) {
    const auto settings = std::make_shared<TrainSettings>();
    CLI::App& train = *app.add_subcommand("train", "Train a model on Fashion-MNIST, or on pictures of your own");
    train.footer(kExamples);
    add_model_options(train, *settings);
    add_data_options(train, settings->data);
    add_length_options(train, *settings);
    add_optimizer_options(train, *settings);
    add_noise_options(train, *settings);
    add_run_options(train, *settings);
    const auto resumed = std::make_shared<std::string>();
    train.add_option("--resume", *resumed, "go on with a run that was cut off, with its settings, from its last checkpoint")
        ->type_name("RUN")
        ->check(named("the folder of a run"))
        ->configurable(false)
        ->group(kRunGroup);
    const auto dry = std::make_shared<bool>(false);
    train
        .add_flag("--dry-run", *dry, "check everything and print the settings as resolved, as a file for --config; write nothing")
        ->configurable(false)
        ->group(kRunGroup);
    train.final_callback([settings, resumed, dry, &train] {
        if (train.count("--resume") > 0) {
            check_resumable(train);
            resume_training(*resumed, *settings);
            std::cout << *resumed << '\n';
            return;
        }
        check_usage(settings->minutes > 0 || settings->stop_after <= settings->steps, "--stop-after", "expected at most --steps ",
                    settings->steps, ", got ", settings->stop_after);
        std::cout << (*dry ? plan_training(*settings) : train_model(*settings).string() + '\n');
    });
}

}    // namespace lull
