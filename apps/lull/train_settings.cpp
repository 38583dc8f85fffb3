#include "apps/lull/train_settings.h"

#include <array>
#include <nlohmann/json.hpp>

#include "apps/lull/model.h"
#include "engine/did_you_mean.h"

namespace lull {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 3> kPresets{"s16", "m32", "tiny"};

}    // namespace

std::span<const std::string_view> preset_names() { return kPresets; }

UNetConfig model_preset(const std::string& name) {
    if (name == "tiny") return {.channels = {8, 16}, .attention = {false, false}, .mid_attention = false, .layers_per_block = 1};
    check_usage(name == "s16" || name == "m32", "--preset", "unknown preset '", name, "'", did_you_mean(name, kPresets));
    return UNetConfig::preset(name);
}

std::int64_t round_interval(std::int64_t steps) {
    std::int64_t interval = 1;
    for (std::int64_t power = 1; power <= steps / 5; power *= 10)
        for (const std::int64_t factor : {1, 2, 5})
            if (factor * power <= steps / 5) interval = factor * power;
    return interval;
}

json to_json(const TrainSettings& s) {
    return {{"preset", s.preset},
            {"steps", s.steps},
            {"batch", s.batch},
            {"accumulate", s.accumulate},
            {"lr", s.learning_rate},
            {"eps", s.eps},
            {"beta2", s.beta2},
            {"weight_decay", s.weight_decay},
            {"clip", s.clip},
            {"ema", s.ema},
            {"precision", name_of(s.precision)},
            {"P_mean", s.noise_level.mean},
            {"P_std", s.noise_level.std},
            {"sigma_data", s.sigma_data},
            {"center", s.center},
            {"xflip", s.flip},
            {"conditional", s.conditional},
            {"seed", s.seed},
            {"sample_every", s.sample_every},
            {"sample_count", s.sample_count},
            {"save_every", s.save_every},
            {"keep", s.keep}};
}

TrainSettings train_settings_from_json(const json& all) try {
    TrainSettings s;
    all.at("preset").get_to(s.preset);
    all.at("steps").get_to(s.steps);
    all.at("batch").get_to(s.batch);
    all.at("accumulate").get_to(s.accumulate);
    all.at("lr").get_to(s.learning_rate);
    all.at("eps").get_to(s.eps);
    all.at("beta2").get_to(s.beta2);
    all.at("weight_decay").get_to(s.weight_decay);
    all.at("clip").get_to(s.clip);
    all.at("ema").get_to(s.ema);
    s.precision = parse_precision(all.value("precision", "f32"));    // runs from before there was a choice are f32
    all.at("P_mean").get_to(s.noise_level.mean);
    all.at("P_std").get_to(s.noise_level.std);
    all.at("sigma_data").get_to(s.sigma_data);
    all.at("center").get_to(s.center);
    all.at("xflip").get_to(s.flip);
    all.at("conditional").get_to(s.conditional);
    all.at("seed").get_to(s.seed);
    all.at("sample_every").get_to(s.sample_every);
    all.at("sample_count").get_to(s.sample_count);
    all.at("save_every").get_to(s.save_every);
    all.at("keep").get_to(s.keep);
    return s;
} catch (const json::exception& error) { fail("train", "the run's settings are incomplete: ", error.what()); }

}    // namespace lull
