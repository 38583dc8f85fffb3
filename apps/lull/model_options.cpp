// The flags that say something about a model.
#include <CLI/CLI.hpp>
#include <array>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "apps/lull/options.h"
#include "engine/did_you_mean.h"

namespace lull {

DType parse_precision(const std::string& name) {
    constexpr std::array<std::string_view, 2> kNames{"f32", "bf16"};
    check_usage(name == "f32" || name == "bf16", "--precision", "unknown precision '", name, "'", did_you_mean(name, kNames));
    return name == "bf16" ? DType::bf16 : DType::f32;
}

void add_model_argument(CLI::App& app, std::filesystem::path& model) {
    app.add_option("MODEL", model, "a run's folder, a checkpoint, or a diffusers folder")->option_text(" ")->required();
}

void add_precision_option(CLI::App& app, DType& precision, const std::string& group, const std::string& help) {
    const auto parse = [&precision](const std::string& name) { precision = parse_precision(name); };
    CLI::Option* option = app.add_option_function<std::string>("--precision", parse, help);
    expect_one_of(option->type_name("NAME")->default_str("f32")->group(group), "precision", {"f32", "bf16"});
}

void add_weights_option(CLI::App& app, Weights& weights) {
    const auto parse = [&weights](const std::string& name) { weights = name == "raw" ? Weights::raw : Weights::ema; };
    CLI::Option* option = app.add_option_function<std::string>("--weights", parse, "ema (averaged) or raw");
    expect_one_of(option->type_name("NAME")->default_str("ema")->group("Model"), "weights", {"ema", "raw"});
}

void add_model_options(CLI::App& app, ModelOptions& options) {
    const std::string group = "Model", foreign = "Model that does not say how it was trained (a diffusers folder)";
    const auto named = [&](const char* flag, const char* type, const auto& parse, const char* help, const char* by_default,
                           const std::string& where) {
        return app.add_option_function<std::string>(flag, parse, help)->type_name(type)->default_str(by_default)->group(where);
    };
    const auto number = [&](const char* flag, std::optional<double>& value, const ValueCheck& check, const char* help,
                            const char* by_default, const std::string& where) {
        app.add_option(flag, value, help)->type_name("X")->check(check)->default_str(by_default)->group(where);
    };
    add_weights_option(app, options.weights);
    named(
        "--image-size", "PIXELS",
        [&options](const std::string& text) {
            const ImageSize size = parse_image_size("--image-size", text);
            options.width = size.width;
            options.height = size.height;
        },
        "32, or width and height as 48x32 (default: the model's own)", "", group);
    number("--range-low", options.black, number_in(-1e6, 1e6), "the value that is shown black (default: the data's)", "", group);
    number("--range-high", options.white, number_in(-1e6, 1e6), "the value that is shown white (default: the data's)", "", group);
    CLI::Option* objective = named(
        "--objective", "NAME",
        [&options](const std::string& name) { options.objective = Named<Preconditioner>::parse("objective", name); },
        "what the network answers: edm (a mixture of image and noise), eps (the noise), v, or ve (the noise of x as it is)",
        "edm", foreign);
    expect_one_of(objective, "objective", {Named<Preconditioner>::names.begin(), Named<Preconditioner>::names.end()});
    number("--sigma-data", options.sigma_data, number_above(0), "standard deviation of its data, for edm", "0.5", foreign);
    number("--mean", options.mean, number_in(-1e6, 1e6), "mean of its data, taken out of what the network sees", "0", foreign);
    CLI::Option* time_input = named(
        "--time-input", "NAME",
        [&options](const std::string& name) { options.time_input = Named<TimeInput>::parse("time input", name); },
        "what the network is told of sigma: quarter_log_sigma (a quarter of ln sigma), sigma, none, or its time in a schedule: "
        "cosine, linear, vp or ve (default: quarter_log_sigma; cosine for eps and v; ve for ve)",
        "", foreign);
    expect_one_of(time_input, "time input", {Named<TimeInput>::names.begin(), Named<TimeInput>::names.end()});
}

}    // namespace lull
