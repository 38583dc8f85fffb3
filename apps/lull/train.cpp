#include <CLI/CLI.hpp>
#include <algorithm>
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
    "  lull train --preset ddim-cosine --network s16    # fast.ai's lesson 22, the small network\n"
    "  lull train --data pictures --size 64             # a folder of PNG pictures, made 64x64\n"
    "  lull train --config runs/ten/config.toml --seed 1 --outdir runs/other\n"
    "  lull train --dry-run > my.toml                   # the settings, to change and use with --config\n"
    "The folder gets config.json, config.toml, log.jsonl, loss.png, samples/, checkpoint.safetensors and\n"
    "training_state.safetensors; lull sample FOLDER draws from it.";

// The preset's values for what neither flags nor a settings file say, and complaints about what would be ignored in silence.
void complete(CLI::App& train, TrainSettings& s) {
    const auto given = [](const CLI::Option* option) { return option->count() > 0; };
    for (const auto& [flag, value] : preset_flags(s.preset)) {
        CLI::Option* option = train.get_option(flag);
        const auto others = option->get_excludes();
        if (!given(option) && std::none_of(others.begin(), others.end(), given))
            option->run_callback_for_default()->default_val(value);
    }
    for (const char* flag : {"--P-mean", "--P-std"})
        check_usage(train.count(flag) == 0 || s.noise == LogNormal::name, flag, "does nothing with --noise ", s.noise,
                    ", only with lognormal");
    check_usage(train.count("--sigma-data") == 0 || s.objective == EdmPreconditioner::name, "--sigma-data",
                "does nothing with --objective ", s.objective, ", only with edm");
    check_length(s);
}

void add_model_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Model";
    CLI::Option* preset = app.add_option(
        "--preset", s.preset,
        "EDM with the network s16 (0.9 M parameters), m32 (15.9 M, attention) or tiny (for trials); or ddim-cosine, fast.ai's "
        "lesson 22: m32 predicts the noise, which has a cosine schedule, for 25 epochs. Other flags win over it");
    expect_one_of(preset->type_name("NAME")->capture_default_str()->group(group), "preset",
                  {preset_names().begin(), preset_names().end()});
    CLI::Option* network = app.add_option("--network", s.network, "another network than the preset's");
    expect_one_of(network->type_name("NAME")->group(group), "network", {network_names().begin(), network_names().end()});
    app.add_flag("--xflip", s.flip, "mirror images left-right by chance")->group(group);
    app.add_flag("--conditional", s.conditional, "tell the network each image's class, so that sample --labels can ask for one")
        ->group(group);
    app.add_flag("--center", s.center, "take the data's mean out of what the network sees")->group(group);
    add_outdir_option(app, s, group);
}

void add_objective_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Objective";
    const auto choice = [&](const char* flag, std::string& value, const char* what, const auto& names, const char* help) {
        CLI::Option* option = app.add_option(flag, value, help)->type_name("NAME")->group(group);
        expect_one_of(option, what, {names.begin(), names.end()});
        return option;
    };
    choice("--objective", s.objective, "objective", Named<Preconditioner>::names,
           "what the network answers: edm (a mixture of image and noise), eps (the noise), v, or ve (the noise of x as it is)")
        ->capture_default_str();
    choice(
        "--time-input", s.time_input, "time input", Named<TimeInput>::names,
        "what the network is told of sigma: quarter_log_sigma (a quarter of ln sigma), sigma, none, or its time in a schedule: "
        "cosine, linear, vp or ve (default: quarter_log_sigma; with another --objective than edm, the schedule of --noise)");
    app.add_flag_callback(
           "--no-t", [&s] { s.time_input = NoTime::name; }, "tell the network nothing, as --time-input none")
        ->configurable(false)
        ->excludes("--time-input")
        ->group(group);
    const auto bound = [&](const char* flag, double& value, const char* help) {
        app.add_option(flag, value, help)->type_name("X")->check(number_in(-1e6, 1e6))->capture_default_str()->group(group);
    };
    bound("--range-low", s.low, "what the data's black becomes");
    bound("--range-high", s.high, "what the data's white becomes");
}

void add_noise_options(CLI::App& app, TrainSettings& s) {
    const std::string group = "Noise (sigma in units of the data's range)";
    CLI::Option* noise = app.add_option("--noise", s.noise,
                                        "how noise levels are drawn: lognormal (--P-mean, --P-std), or evenly in the time of a "
                                        "schedule: cosine, linear, vp; or, for ve, in ln sigma from 0.02 to 100");
    expect_one_of(noise->type_name("NAME")->capture_default_str()->group(group), "noise",
                  {Named<NoiseDistribution>::names.begin(), Named<NoiseDistribution>::names.end()});
    app.add_option("--P-mean", s.log_normal.mean, "mean of ln sigma")
        ->type_name("X")
        ->check(number_in(-10, 10))
        ->capture_default_str()
        ->group(group);
    app.add_option("--P-std", s.log_normal.std, "standard deviation of ln sigma")
        ->type_name("X")
        ->check(number_in(0.01, 5))
        ->capture_default_str()
        ->group(group);
    app.add_option("--sigma-data", s.sigma_data, "the data's standard deviation, for edm (default: measured)")
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
    add_objective_options(train, *settings);
    add_noise_options(train, *settings);
    add_run_options(train, *settings, "images in each grid; 0: no grids");
    add_precision_option(train, settings->precision, kRunGroup,
                         "f32, or bf16: the network's weights and values rounded to 8 significant bits; weights, loss and "
                         "optimizer stay f32, and so does the checkpoint. On a CPU it is not faster, and serves to see "
                         "what bf16 does to training");
    add_machine_options(train, settings->machine);
    add_run_actions(train, {.train =
                                [settings, &train] {
                                    complete(train, *settings);
                                    return train_model(*settings).string();
                                },
                            .plan =
                                [settings, &train] {
                                    complete(train, *settings);
                                    return plan_training(*settings);
                                },
                            .resume = [settings](const std::string& folder) { resume_training(folder, *settings); }});
}

}    // namespace lull
