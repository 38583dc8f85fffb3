#include "apps/lull/model.h"

#include <nlohmann/json.hpp>
#include <string>

namespace lull {

using nlohmann::json;

namespace {

std::string time_input_name(TimeInput input) { return input == TimeInput::sigma ? "sigma" : "quarter_log_sigma"; }

TimeInput parse_time_input(const std::string& name) {
    for (const TimeInput input : {TimeInput::quarter_log_sigma, TimeInput::sigma})
        if (name == time_input_name(input)) return input;
    fail("model", "unknown time_input '", name, "' (quarter_log_sigma, sigma)");
}

}    // namespace

json to_json(const ModelConfig& config) {
    return {
        {"unet", to_json(config.unet)},
        {"preconditioner",
         {{"name", "edm"},
          {"sigma_data", config.edm.sigma_data},
          {"mean", config.edm.mean},
          {"time_input", time_input_name(config.edm.time_input)}}},
        {"image",
         {{"height", config.height},
          {"width", config.width},
          {"channels", config.unet.in_channels},
          {"range", {config.black, config.white}}}},
    };
}

ModelConfig model_config_from_json(const json& all) try {
    const json& preconditioner = all.at("preconditioner");
    check(preconditioner.at("name") == "edm", "model", "unknown preconditioner ", preconditioner.at("name"), " (edm)");
    const json& image = all.at("image");
    const ModelConfig config{
        .unet = unet_config_from_json(all.at("unet")),
        .edm = {.sigma_data = preconditioner.at("sigma_data"),
                .mean = preconditioner.at("mean"),
                .time_input = parse_time_input(preconditioner.at("time_input"))},
        .height = image.at("height"),
        .width = image.at("width"),
        .black = image.at("range").at(0),
        .white = image.at("range").at(1),
    };
    check(config.height > 0 && config.width > 0, "model", "expected an image with pixels, got ", config.height, "×",
          config.width);
    check(config.edm.sigma_data > 0, "model", "expected sigma_data > 0, got ", config.edm.sigma_data);
    check(config.black < config.white, "model", "expected a range from low to high, got ", config.black, " to ", config.white);
    return config;
} catch (const json::exception& error) { fail("model", "the description of the model is incomplete: ", error.what()); }

Denoiser Model::denoiser() const {
    return lull::denoiser([unet = unet](const Tensor& x, const Tensor& c_noise) { return unet(x, c_noise); }, config.edm);
}

Model load_model(const std::filesystem::path& checkpoint, Weights which) {
    const Checkpoint file = read_checkpoint(checkpoint);
    try {
        check(file.config.contains("model"), "model", "no \"model\" in the file's description");
        const ModelConfig config = model_config_from_json(file.config.at("model"));
        Model model{config, UNet(config.unet)};
        load_weights(model.unet, file, which);
        return model;
    } catch (const Error& error) { throw Error(checkpoint.string() + ": " + error.what()); }
}

}    // namespace lull
