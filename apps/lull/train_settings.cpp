#include "apps/lull/train_settings.h"

#include <array>
#include <nlohmann/json.hpp>

#include "apps/lull/model.h"
#include "engine/did_you_mean.h"

namespace lull {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 4> kPresets{"s16", "m32", "tiny", "ddim-cosine"};
constexpr std::span<const std::string_view> kNetworks = std::span(kPresets).first(3);

// fast.ai's lesson 22, notebook 22_cosine. The images stay within ±0.5 while the noise has variance 1.
constexpr std::array<std::pair<const char*, const char*>, 11> kDdimCosine{{{"--network", "m32"},
                                                                           {"--range-low", "-0.5"},
                                                                           {"--range-high", "0.5"},
                                                                           {"--objective", "eps"},
                                                                           {"--noise", "cosine"},
                                                                           {"--epochs", "25"},
                                                                           {"--batch", "512"},
                                                                           {"--lr", "4e-3"},
                                                                           {"--eps", "1e-5"},
                                                                           {"--beta2", "0.999"},
                                                                           {"--clip", "1e6"}}};    // never

std::string default_time_input(const TrainSettings& s) {
    return s.objective == EdmPreconditioner::name || s.noise == LogNormal::name ? std::string(QuarterLogSigma::name) : s.noise;
}

}    // namespace

std::span<const std::string_view> preset_names() { return kPresets; }
std::span<const std::string_view> network_names() { return kNetworks; }

std::span<const std::pair<const char*, const char*>> preset_flags(std::string_view preset) {
    if (preset == "ddim-cosine") return kDdimCosine;
    return {};
}

UNetConfig network_config(const std::string& name) {
    if (name == "tiny") return {.channels = {8, 16}, .attention = {false, false}, .mid_attention = false, .layers_per_block = 1};
    check_usage(name == "s16" || name == "m32", "--network", "unknown network '", name, "'", did_you_mean(name, kNetworks));
    return UNetConfig::preset(name);
}

NoiseDistribution TrainSettings::noise_distribution() const {
    return noise == LogNormal::name ? NoiseDistribution(log_normal) : Named<NoiseDistribution>::parse("noise", noise);
}

TrainSettings TrainSettings::resolved(const Statistics& statistics) const {
    TrainSettings s = *this;
    if (s.network.empty()) s.network = s.preset;
    if (s.time_input.empty()) s.time_input = default_time_input(s);
    if (s.objective == EdmPreconditioner::name && s.sigma_data == 0) s.sigma_data = statistics.std;
    return s;
}

Preconditioner TrainSettings::preconditioner(const Statistics& statistics) const {
    Preconditioner p = Named<Preconditioner>::parse("objective", objective);
    if (auto* edm = std::get_if<EdmPreconditioner>(&p)) edm->sigma_data = sigma_data;
    return with(p, center ? statistics.mean : 0, Named<TimeInput>::parse("time input", time_input));
}

json to_json(const TrainSettings& s) {
    json all = to_json(static_cast<const RunSettings&>(s));
    all.update({{"preset", s.preset},
                {"network", s.network},
                {"precision", name_of(s.precision)},
                {"range_low", s.low},
                {"range_high", s.high},
                {"objective", s.objective},
                {"noise", s.noise},
                {"time_input", s.time_input},
                {"center", s.center},
                {"xflip", s.flip},
                {"conditional", s.conditional}});
    // What would do nothing is no setting.
    if (s.noise == LogNormal::name) all.update({{"P_mean", s.log_normal.mean}, {"P_std", s.log_normal.std}});
    if (s.objective == EdmPreconditioner::name) all["sigma_data"] = s.sigma_data;
    return all;
}

TrainSettings train_settings_from_json(const json& all) try {
    TrainSettings s;
    read_json(all, s);
    all.at("preset").get_to(s.preset);
    // Runs from before there was a choice have the only one.
    s.network = all.value("network", s.preset);
    s.precision = parse_precision(all.value("precision", "f32"));
    s.low = all.value("range_low", s.low);
    s.high = all.value("range_high", s.high);
    s.objective = all.value("objective", s.objective);
    s.noise = all.value("noise", s.noise);
    s.time_input = all.value("time_input", default_time_input(s));
    if (s.noise == LogNormal::name) {
        all.at("P_mean").get_to(s.log_normal.mean);
        all.at("P_std").get_to(s.log_normal.std);
    }
    if (s.objective == EdmPreconditioner::name) all.at("sigma_data").get_to(s.sigma_data);
    all.at("center").get_to(s.center);
    all.at("xflip").get_to(s.flip);
    all.at("conditional").get_to(s.conditional);
    return s;
} catch (const json::exception& error) { fail("train", "the run's settings are incomplete: ", error.what()); }

}    // namespace lull
