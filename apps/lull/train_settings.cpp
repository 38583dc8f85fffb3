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

json to_json(const TrainSettings& s) {
    json all = to_json(static_cast<const RunSettings&>(s));
    all.update({{"preset", s.preset},
                {"precision", name_of(s.precision)},
                {"P_mean", s.noise_level.mean},
                {"P_std", s.noise_level.std},
                {"sigma_data", s.sigma_data},
                {"center", s.center},
                {"xflip", s.flip},
                {"conditional", s.conditional}});
    return all;
}

TrainSettings train_settings_from_json(const json& all) try {
    TrainSettings s;
    read_json(all, s);
    all.at("preset").get_to(s.preset);
    s.precision = parse_precision(all.value("precision", "f32"));    // runs from before there was a choice are f32
    all.at("P_mean").get_to(s.noise_level.mean);
    all.at("P_std").get_to(s.noise_level.std);
    all.at("sigma_data").get_to(s.sigma_data);
    all.at("center").get_to(s.center);
    all.at("xflip").get_to(s.flip);
    all.at("conditional").get_to(s.conditional);
    return s;
} catch (const json::exception& error) { fail("train", "the run's settings are incomplete: ", error.what()); }

}    // namespace lull
