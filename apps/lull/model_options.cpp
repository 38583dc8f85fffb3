// The flags that say something about a model.
#include <CLI/CLI.hpp>
#include <array>
#include <charconv>

#include "apps/lull/model.h"
#include "apps/lull/options.h"
#include "engine/did_you_mean.h"

namespace lull {

namespace {

Weights parse_weights(const std::string& name) {
    constexpr std::array<std::string_view, 2> kNames{"ema", "raw"};
    check_usage(name == "ema" || name == "raw", "--weights", "unknown weights '", name, "'", did_you_mean(name, kNames));
    return name == "raw" ? Weights::raw : Weights::ema;
}

// "32", or "24x32": height and width.
void parse_image_size(const std::string& text, ModelOptions& options) {
    const auto pixels = [&](std::string_view number) {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        const bool whole = error == std::errc() && end == number.data() + number.size();
        check_usage(whole && value >= 1 && value <= 65'536, "--image-size",
                    "expected pixels, such as 32, or height and width, such as 24x32, got '", text, "'");
        return value;
    };
    const std::string_view both = text;
    const std::size_t x = both.find('x');
    options.height = pixels(both.substr(0, x));
    options.width = x == both.npos ? options.height : pixels(both.substr(x + 1));
}

}    // namespace

void add_model_options(CLI::App& app, ModelOptions& options) {
    const std::string group = "Model", foreign = "Model that does not say how it was trained (a diffusers folder)";
    const auto named = [&](const char* flag, const char* type, const auto& parse, const char* help, const char* by_default,
                           const std::string& where) {
        app.add_option_function<std::string>(flag, parse, help)->type_name(type)->default_str(by_default)->group(where);
    };
    const auto number = [&](const char* flag, std::optional<double>& value, const ValueCheck& check, const char* help,
                            const char* by_default, const std::string& where) {
        app.add_option(flag, value, help)->type_name("X")->check(check)->default_str(by_default)->group(where);
    };
    named(
        "--weights", "NAME", [&options](const std::string& name) { options.weights = parse_weights(name); },
        "ema (averaged) or raw", "ema", group);
    named(
        "--image-size", "PIXELS", [&options](const std::string& size) { parse_image_size(size, options); },
        "32, or height and width as 24x32 (default: the model's own)", "", group);
    number("--range-low", options.black, number_in(-1e6, 1e6), "the value that is shown black (default: the data's)", "", group);
    number("--range-high", options.white, number_in(-1e6, 1e6), "the value that is shown white (default: the data's)", "", group);
    number("--sigma-data", options.sigma_data, number_above(0), "standard deviation of its data", "0.5", foreign);
    number("--mean", options.mean, number_in(-1e6, 1e6), "mean of its data, taken out of what the network sees", "0", foreign);
    named(
        "--time-input", "NAME",
        [&options](const std::string& name) {
            options.time_input = reading("--time-input", [&] { return parse_time_input(name); });
        },
        "what the network is told of sigma: quarter_log_sigma (a quarter of ln sigma) or sigma", "quarter_log_sigma", foreign);
}

}    // namespace lull
