#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/sampling.h"
#include "apps/lull/seeds.h"

namespace lull {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  lull sample runs/fashion-mnist-s16-001    # 64 images: Heun, 18 steps, averaged weights\n"
    "  lull sample runs/ten --sampler ancestral --steps 50 --seeds 0-7,12    # nine images\n"
    "  lull sample runs/cosine --sampler ddim --steps 100 --eta 1    # fast.ai's lesson 22; eta 0: DDIM\n"
    "  lull sample runs/ten --blind runs/level --explain    # asks each image how noisy it is\n"
    "  lull sample runs/cosine --sampler ddim --clip 2 --blind runs/level --blind-clamp median\n"
    "  lull sample runs/ten --S-churn 40 --S-min 0.05 --S-max 50 --S-noise 1.003 --steps 256\n"
    "  lull sample runs/ten --seeds 0-9999 --save images.safetensors    # raw images, (N, C, H, W)\n"
    "  lull sample runs/ten --seeds 0-7 --trajectory    # also how they come out of the noise";

// What comes as text and becomes something else.
struct SampleText {
    SampleSettings settings;
    std::string seeds = "0-63", sampler = "heun", grid;
    double eta = 1;

    SampleSettings parsed() const {
        SampleSettings s = settings;
        s.seeds = reading("--seeds", [&] { return parse_seeds(seeds); });
        s.plan.choice.sampler = parse_sampler(sampler);
        s.plan.choice.ancestral.eta = s.plan.choice.ddim.eta = eta;
        if (s.plan.choice.ddim.clip == 0) s.plan.choice.ddim.clip = HUGE_VAL;
        s.plan.grid = is_cosine() ? Grid::cosine : Grid::karras;
        return s;
    }
    bool is_cosine() const { return grid.empty() ? sampler == "ddim" : grid == "cosine"; }
};

void add_sampler_options(CLI::App& app, SampleText& text) {
    const std::string group = "Sampler (sigma in units of the data's range)", churn = "Heun's noise (churn), for --sampler heun";
    SamplingPlan& plan = text.settings.plan;
    const auto number = [&](const char* flag, double& value, const ValueCheck& check, const char* help,
                            const std::string& where) {
        app.add_option(flag, value, help)->type_name("X")->check(check)->capture_default_str()->group(where);
    };
    CLI::Option* sampler = app.add_option("--sampler", text.sampler, "euler, ancestral, heun, lms or ddim");
    expect_one_of(sampler->type_name("NAME")->capture_default_str()->group(group), "sampler",
                  {sampler_names().begin(), sampler_names().end()});
    app.add_option("--steps", plan.steps,
                   "steps; heun evaluates the network twice in each but the last. Of the cosine grid: noise levels, 0 among them")
        ->type_name("N")
        ->check(whole_number(1, 1'000'000))
        ->capture_default_str()
        ->group(group);
    CLI::Option* grid =
        app.add_option("--grid", text.grid,
                       "noise levels: karras (--sigma-min, --sigma-max, --rho) or cosine, sigma = tan(pi t / 2) at "
                       "t = 1 - 1/steps, ..., 1/steps, 0 (default: karras; cosine for ddim)");
    expect_one_of(grid->type_name("NAME")->group(group), "grid", {"karras", "cosine"});
    number("--sigma-min", plan.sigma_min, number_above(0), "lowest noise level before 0", group);
    number("--sigma-max", plan.sigma_max, number_above(0), "highest noise level, where images start", group);
    number("--rho", plan.rho, number_above(0), "how much the steps crowd at low noise; 1: evenly spaced", group);
    number("--eta", text.eta, number_at_least(0), "of ancestral and ddim: 0 adds no noise, 1 as much as DDPM", group);
    number("--clip", plan.choice.ddim.clip, number_at_least(0),
           "of ddim: the estimate of the image is kept within -X to X; 0: left alone", group);
    app.add_option("--order", plan.choice.lms.order, "of lms: how many slopes a step combines, 1 to 4")
        ->type_name("N")
        ->check(whole_number(1, 4))
        ->capture_default_str()
        ->group(group);
    number("--S-churn", plan.choice.heun.s_churn, number_at_least(0), "noise added over all steps; 0: none", churn);
    number("--S-min", plan.choice.heun.s_tmin, number_at_least(0), "lowest sigma with churn", churn);
    number("--S-max", plan.choice.heun.s_tmax, number_at_least(0), "highest sigma with churn", churn);
    number("--S-noise", plan.choice.heun.s_noise, number_above(0), "standard deviation of the added noise", churn);
}

void add_output_options(CLI::App& app, SampleText& text) {
    const std::string group = "Images";
    SampleSettings& s = text.settings;
    app.add_option("--seeds", text.seeds, "one image each; numbers and ranges such as 0-7,12")
        ->type_name("LIST")
        ->capture_default_str()
        ->group(group);
    app.add_option(
           "--labels", s.labels,
           "classes for a conditional model: one for all images or one for each, such as 3, 0-9,5 or sandal (default: the "
           "seed modulo their number)")
        ->type_name("LIST")
        ->group(group);
    app.add_option("--batch", s.batch,
                   "images at a time; changes the memory needed, not the images (default: 64 of 32x32, fewer of larger ones)")
        ->type_name("N")
        ->check(whole_number(1))
        ->group(group);
    app.add_option("--outdir", s.outdir, "folder of the picture samples-SAMPLER-STEPS-seeds-LIST.png (default: the run's)")
        ->type_name("DIR")
        ->group(group);
    app.add_option("--save", s.save, "also write the raw images, (N, C, H, W) f32, as \"images\" in this safetensors file")
        ->type_name("FILE")
        ->group(group);
    app.add_flag("--trajectory", s.trajectory,
                 "also draw a film-strip: under each of up to 11 noise levels, x of the first 8 images (its noise scaled down to "
                 "be seen) and D, the sampler's own estimate of the image; last, the images themselves")
        ->group(group);
    app.add_flag(
           "--explain", s.explain,
           "also write what happened at each step: the table ...-explain.tsv, with the evaluations of the network, mean and "
           "deviation of x and of D, the noise that a predictor sees in them and what it answered; and curves, ...-explain.png")
        ->group(group);
    app.add_option("--judge", s.judge, "the predictor that --explain asks about noise (default: that of --blind)")
        ->type_name("PREDICTOR")
        ->group(group);
    add_scale_option(app, s.scale, group);
}

// Options that would be ignored in silence.
void check_all_used(const CLI::App& sample, std::string_view sampler, bool cosine_grid) {
    constexpr std::array<std::array<std::string_view, 2>, 6> kOwners{{{"--clip", "ddim"},
                                                                      {"--order", "lms"},
                                                                      {"--S-churn", "heun"},
                                                                      {"--S-min", "heun"},
                                                                      {"--S-max", "heun"},
                                                                      {"--S-noise", "heun"}}};
    const auto given = [&](std::string_view flag) { return sample.count(std::string(flag)) > 0; };
    for (const auto& [flag, owner] : kOwners) {
        check_usage(sampler == owner || !given(flag), flag, "does nothing with --sampler ", sampler, ", only with ", owner);
        const bool needs_churn = owner == "heun" && flag != "--S-churn";
        check_usage(!needs_churn || !given(flag) || given("--S-churn"), flag, "does nothing without --S-churn");
    }
    check_usage(sampler == "ancestral" || sampler == "ddim" || !given("--eta"), "--eta", "does nothing with --sampler ", sampler,
                ", only with ancestral and ddim");
    for (const std::string_view flag : {"--sigma-min", "--sigma-max", "--rho"})
        check_usage(!cosine_grid || !given(flag), flag, "does nothing with the cosine grid, only with --grid karras");
}

}    // namespace

void add_sample_command(CLI::App& app) {
    const auto text = std::make_shared<SampleText>();
    CLI::App& sample = *app.add_subcommand("sample", "Draw images from a trained model");
    sample.footer(kExamples);
    add_model_argument(sample, text->settings.model);
    add_model_options(sample, text->settings.model_options);
    add_precision_option(sample, text->settings.precision, "Model",
                         "f32, or bf16: the network's weights and values rounded to 8 significant bits; on a CPU it is not "
                         "faster, and serves to see what bf16 does to images");
    add_sampler_options(sample, *text);
    add_blind_options(sample, text->settings.blind);
    add_output_options(sample, *text);
    add_machine_options(sample, text->settings.machine);
    sample.final_callback([text, &sample] {
        check_all_used(sample, text->sampler, text->is_cosine());
        const SampleSettings settings = text->parsed();
        check_blind(sample, settings.blind, settings.plan);
        check_usage(settings.explain || settings.judge.empty(), "--judge", "does nothing without --explain");
        check_usage(!settings.trajectory || settings.blind.way != BlindWay::adaptive, "--trajectory",
                    "cannot be drawn of --blind-way adaptive, in which each image has noise levels of its own");
        for (const auto& picture : sample_model(settings)) std::cout << picture.string() << '\n';
    });
}

}    // namespace lull
