// lull noise-level: commands on a network that says how noisy an image is.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "apps/lull/predictor_eval.h"
#include "apps/lull/predictor_training.h"
#include "apps/lull/run_options.h"

namespace lull {
namespace {

constexpr const char* kTrainExamples =
    "Examples:\n"
    "  lull noise-level train --outdir runs/level    # as in fast.ai's lesson 22: 20 epochs\n"
    "  lull noise-level train --preset tiny --target ln-sigma    # quickly, and for the samplers in sigma\n"
    "  lull noise-level train --target alpha-bar    # how it fails without the logit\n"
    "  lull noise-level train --resume runs/level    # what was cut off or stopped goes on\n"
    "The folder gets what lull train's gets; the pictures in samples/ are of predicted against true.\n"
    "lull sample --blind FOLDER samples with it.";

constexpr const char* kEvalExamples =
    "Examples:\n"
    "  lull noise-level eval runs/level    # on the test images\n"
    "  lull noise-level eval runs/level --count 2000 --json\n"
    "Prints the loss beside those of constant answers, and the error of ln sigma by true noise level;\n"
    "writes a picture of predicted against true. The rows of levels can be compared between predictors of\n"
    "the same range; the losses are means over the levels that each one trains on.";

void add_network_options(CLI::App& app, PredictorSettings& s) {
    const std::string group = "Model";
    CLI::Option* preset = app.add_option("--preset", s.preset,
                                         "lesson (4.9 M parameters, 20 epochs) or tiny (for trials); decides what is not given");
    expect_one_of(preset->type_name("NAME")->capture_default_str()->group(group), "preset",
                  {predictor_presets().begin(), predictor_presets().end()});
    CLI::Option* target = app.add_option_function<std::string>(
        "--target", [&s](const std::string& name) { s.task.target = parse_level_target(name); },
        "what it learns to say of sqrt(abar) y + sqrt(1-abar) eps: logit (of abar) or alpha-bar itself, which fails; or "
        "ln-sigma, of y + sigma n divided by its root mean square");
    expect_one_of(target->type_name("NAME")->default_str("logit")->group(group), "target",
                  {level_target_names().begin(), level_target_names().end()});
    const auto number = [&](const char* flag, auto& value, const ValueCheck& check, const char* help) {
        return app.add_option(flag, value, help)->type_name("X")->check(check)->group(group);
    };
    number("--sigma-min", s.task.sigma_min, number_above(0), "of ln-sigma: lowest noise level")->capture_default_str();
    number("--sigma-max", s.task.sigma_max, number_above(0), "of ln-sigma: highest noise level")->capture_default_str();
    number("--range-low", s.low, number_in(-1e6, 1e6), "the value of black (default: -0.5; -1 for ln-sigma)");
    number("--range-high", s.high, number_in(-1e6, 1e6), "the value of white (default: 0.5; 1 for ln-sigma)");
    app.add_flag("--xflip", s.flip, "mirror images left-right by chance")->group(group);
    add_outdir_option(app, s, group);
}

// The preset's values for what was not given, and complaints about what would be ignored in silence.
PredictorSettings complete(const CLI::App& app, PredictorSettings s) {
    const auto given = [&](const char* flag) { return app.count(flag) > 0; };
    const RunSettings preset = run_of_preset(s.preset);
    if (!given("--steps")) s.steps = preset.steps;
    if (!given("--batch")) s.batch = preset.batch;
    for (const char* flag : {"--sigma-min", "--sigma-max"})
        check_usage(s.task.target == LevelTarget::ln_sigma || !given(flag), flag, "does nothing with --target ",
                    name_of(s.task.target), ", only with ln-sigma");
    check_usage(s.task.sigma_min < s.task.sigma_max, "--sigma-min", "expected less than --sigma-max ", s.task.sigma_max, ", got ",
                s.task.sigma_min);
    check_length(s);
    return s;
}

void add_level_train_command(CLI::App& parent) {
    const auto settings = std::make_shared<PredictorSettings>();
    CLI::App& train = *parent.add_subcommand("train", "Train a network to say how noisy an image is");
    train.footer(kTrainExamples);
    add_network_options(train, *settings);
    add_data_options(train, settings->data);
    add_length_options(train, *settings);
    add_optimizer_options(train, *settings);
    add_run_options(train, *settings, "images in each picture of predicted against true; 0: no pictures");
    add_machine_options(train, settings->machine);
    add_run_actions(train, {.train = [settings, &train] { return train_predictor(complete(train, *settings)).string(); },
                            .plan = [settings, &train] { return plan_predictor(complete(train, *settings)); },
                            .resume = [settings](const std::string& folder) { resume_predictor(folder, *settings); }});
}

void add_level_eval_command(CLI::App& parent) {
    const auto settings = std::make_shared<PredictorEvalSettings>();
    CLI::App& eval = *parent.add_subcommand("eval", "Say how good a noise-level predictor is, and draw predicted against true");
    eval.footer(kEvalExamples);
    eval.add_option("PREDICTOR", settings->predictor, "the folder of a noise-level run, or a checkpoint of one")
        ->option_text(" ")
        ->required();
    add_model_data_options(eval, settings->data);
    eval.get_option("--split")->description(
        "train or test, of data sets that have these parts (default: test, which it was not trained on)");
    const std::string group = "Images";
    eval.add_option("--count", settings->count, "how many, from the first, and again from there (default: all once)")
        ->type_name("N")
        ->check(whole_number(1, 100'000'000))
        ->group(group);
    eval.add_option("--seed", settings->seed, "of noise levels and noise")
        ->type_name("N")
        ->check(seed_number())
        ->capture_default_str()
        ->group(group);
    add_weights_option(eval, settings->weights);
    eval.add_option("--outdir", settings->outdir, "folder of the picture noise-level.png (default: the predictor's)")
        ->type_name("DIR")
        ->group("Output");
    eval.add_flag("--json", settings->as_json, "print the figures as JSON, and not the picture's path")->group("Output");
    add_machine_options(eval, settings->machine);
    eval.final_callback([settings] {
        const auto picture = evaluate_predictor(*settings, std::cout);
        if (!settings->as_json) std::cout << picture.string() << '\n';
    });
}

}    // namespace

void add_noise_level_command(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("noise-level", "Train and test a network that says how noisy an image is");
    command.footer("Example:\n  lull noise-level train --preset tiny");
    command.require_subcommand(1);
    add_level_train_command(command);
    add_level_eval_command(command);
}

}    // namespace lull
