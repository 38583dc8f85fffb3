#include "apps/lull/predictor_settings.h"

#include <array>
#include <nlohmann/json.hpp>

#include "engine/did_you_mean.h"

namespace lull {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 2> kPresets{"lesson", "tiny"};

void check_preset(const std::string& preset) {
    check_usage(preset == "lesson" || preset == "tiny", "--preset", "unknown preset '", preset, "'",
                did_you_mean(preset, kPresets));
}

}    // namespace

std::span<const std::string_view> predictor_presets() { return kPresets; }

RunSettings run_of_preset(const std::string& preset) {
    check_preset(preset);
    RunSettings run;
    run.beta2 = 0.999;
    run.clip = 1e6;    // never
    run.learning_rate = 1e-2;
    run.sample_count = 512;
    run.steps = preset == "tiny" ? 300 : 2344;    // 20 · 60,000 / 512
    run.batch = preset == "tiny" ? 64 : 512;
    return run;
}

ResNetConfig predictor_network(const std::string& preset, const Shape& image) {
    check_preset(preset);
    ResNetConfig network{
        .in_channels = static_cast<int>(image[2]), .height = static_cast<int>(image[0]), .width = static_cast<int>(image[1])};
    if (preset == "tiny") network.channels = {8, 16, 16};
    return network;
}

PredictorSettings::PredictorSettings() : RunSettings(run_of_preset("lesson")) {}

json to_json(const PredictorSettings& s) {
    json all = to_json(static_cast<const RunSettings&>(s));
    all.update({{"preset", s.preset}, {"target", name_of(s.task.target)}, {"xflip", s.flip}});
    if (s.task.target == LevelTarget::ln_sigma) all.update({{"sigma_min", s.task.sigma_min}, {"sigma_max", s.task.sigma_max}});
    if (s.low) all["range_low"] = *s.low;
    if (s.high) all["range_high"] = *s.high;
    return all;
}

PredictorSettings predictor_settings_from_json(const json& all) try {
    PredictorSettings s;
    read_json(all, s);
    all.at("preset").get_to(s.preset);
    s.task.target = parse_level_target(all.at("target").get<std::string>());
    if (s.task.target == LevelTarget::ln_sigma) {
        all.at("sigma_min").get_to(s.task.sigma_min);
        all.at("sigma_max").get_to(s.task.sigma_max);
    }
    s.low = all.at("range_low").get<double>();
    s.high = all.at("range_high").get<double>();
    all.at("xflip").get_to(s.flip);
    return s;
} catch (const json::exception& error) { fail("noise_level", "the run's settings are incomplete: ", error.what()); }

}    // namespace lull
