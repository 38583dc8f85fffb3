#include <CLI/CLI.hpp>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "apps/lull/run_options.h"
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
    add_outdir_option(app, s, group);
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
    add_run_options(train, *settings, "images in each grid; 0: no grids");
    add_precision_option(train, settings->precision, kRunGroup,
                         "f32, or bf16: the network's weights and values rounded to 8 significant bits; weights, loss and "
                         "optimizer stay f32, and so does the checkpoint. On a CPU it is not faster, and serves to see "
                         "what bf16 does to training");
    add_machine_options(train, settings->machine);
    add_run_actions(train, {.train =
                                [settings] {
                                    check_length(*settings);
                                    return train_model(*settings).string();
                                },
                            .plan =
                                [settings] {
                                    check_length(*settings);
                                    return plan_training(*settings);
                                },
                            .resume = [settings](const std::string& folder) { resume_training(folder, *settings); }});
}

}    // namespace lull
