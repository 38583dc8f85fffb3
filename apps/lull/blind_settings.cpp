#include "apps/lull/blind_settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "apps/lull/commands.h"
#include "apps/lull/generate.h"
#include "apps/lull/model.h"
#include "apps/lull/panel.h"

namespace lull {
namespace {

// In the enums' order.
constexpr std::array<std::string_view, 3> kWays{"resynchronised", "denoiser", "adaptive"}, kClamps{"schedule", "median", "none"},
    kNoises{"schedule", "half", "median"};

std::size_t index_of(const std::array<std::string_view, 3>& names, const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

template <class Choice>
std::string name_in(const std::array<std::string_view, 3>& names, Choice choice) {
    return std::string(names.at(static_cast<std::size_t>(choice)));
}

// The predictor sees scale·x + shift of a model's x.
double scale_of(const PredictorConfig& config, double black, double white) {
    return (config.white - config.black) / (white - black);
}

}    // namespace

void add_blind_options(CLI::App& app, BlindSettings& s) {
    const std::string group = "Blind sampling (the images are asked how noisy they are)";
    app.add_option("--blind", s.predictor,
                   "the run of a noise-level predictor, or its checkpoint, which says in every step how noisy each image is")
        ->type_name("PREDICTOR")
        ->check(named("a predictor"))
        ->group(group);
    // f: called with the number of the name.
    const auto choice = [&](const char* flag, const char* what, const std::array<std::string_view, 3>& names, const auto& f,
                            const char* help) {
        CLI::Option* option = app.add_option_function<std::string>(
            flag, [names, f](const std::string& name) { f(index_of(names, name)); }, help);
        expect_one_of(option->type_name("NAME")->default_str(std::string(names[0]))->group(group), what,
                      {names.begin(), names.end()});
    };
    choice(
        "--blind-way", "way", kWays, [&s](std::size_t i) { s.way = static_cast<BlindWay>(i); },
        "resynchronised: each step starts from what is seen; denoiser: the network alone is told it; adaptive: it decides how "
        "far a step of euler goes and when an image is finished");
    choice(
        "--blind-clamp", "clamp", kClamps, [&s](std::size_t i) { s.clamp = static_cast<LevelClamp>(i); },
        "what is seen (sigma of ln-sigma predictors, abar of others) is kept within half and twice the schedule's value, or the "
        "batch's median (as in fast.ai's lesson 22; an image then depends on its batch), or not");
    choice(
        "--blind-noise", "noise", kNoises, [&s](std::size_t i) { s.options.ddim_noise = static_cast<DdimNoise>(i); },
        "what ddim adds, resynchronised: the schedule's noise, half of it, or a step's from the batch's median");
    app.add_flag_callback(
           "--no-finish", [&s] { s.options.finish = false; },
           "resynchronised: do not take away what noise is seen at the end, which costs one more evaluation")
        ->group(group);
}

void check_blind(const CLI::App& app, const BlindSettings& s, const SamplingPlan& plan) {
    const auto given = [&](const char* flag) { return app.count(flag) > 0; };
    const bool resynchronised = s.way == BlindWay::resynchronised, adaptive = s.way == BlindWay::adaptive;
    const Sampler sampler = plan.choice.sampler;
    for (const char* flag : {"--blind-way", "--blind-clamp", "--blind-noise", "--no-finish"})
        check_usage(!s.predictor.empty() || !given(flag), flag, "does nothing without --blind");
    check_usage(!given("--blind-noise") || (resynchronised && sampler == Sampler::ddim), "--blind-noise",
                "does nothing but with --sampler ddim, resynchronised");
    check_usage(s.options.ddim_noise != DdimNoise::median || plan.grid == Grid::cosine, "--blind-noise",
                "median is that of a step of the cosine grid, which --grid karras has not");
    check_usage(!given("--no-finish") || resynchronised, "--no-finish", "does nothing with --blind-way ", name_in(kWays, s.way));
    check_usage(!given("--no-finish") || sampler != Sampler::ddim, "--no-finish",
                "does nothing with --sampler ddim, whose last time is the end");
    check_usage(!adaptive || (sampler == Sampler::euler && plan.grid == Grid::karras), "--blind-way",
                "adaptive is a way of --sampler euler on --grid karras");
}

NoiseEstimator estimator_of(const Predictor& predictor, const Shape& image, double black, double white,
                            const EstimatorOptions& options) {
    const PredictorConfig& config = predictor.config;
    check_file(config.image() == image, predictor.file, "is for images of ", config.image(), ", the model's are ", image);
    EstimatorOptions its = options;
    its.form = form_of(config.task.target);
    const double scale = scale_of(config, black, white);
    const NoiseEstimator estimate = estimator(predictor.function(), its);
    return scale == 1 && config.black == black ? estimate : in_units(estimate, scale, config.black - scale * black);
}

NoiseEstimator judge_of(const Predictor& predictor, const Shape& image, double black, double white) {
    return estimator_of(predictor, image, black, white, {.clamp = LevelClamp::none});
}

std::string warning_of(const Predictor& predictor, const ModelConfig& model, const SamplingPlan& plan) {
    const PredictorConfig& config = predictor.config;
    const double start = plan.sigmas().front(), most = config.task.most() / scale_of(config, model.black, model.white);
    if (start <= most * (1 + 1e-9)) return {};
    return "note: " + predictor.file.string() + " was shown noise up to sigma " + short_number(most) +
           " in the model's units, and images start at " + short_number(start);
}

std::map<std::string, std::string> describe(const BlindSettings& s, const Predictor& predictor) {
    std::string blind = name_in(kWays, s.way) + ", clamp " + name_in(kClamps, s.clamp);
    if (s.options.ddim_noise != DdimNoise::schedule) blind += ", noise " + name_in(kNoises, s.options.ddim_noise);
    if (!s.options.finish) blind += ", no last evaluation";
    return {{"Blind", blind}, {"Predictor", predictor.file.string()}, {"Predictor SHA-256", predictor_hash(predictor)}};
}

}    // namespace lull
