#include "apps/lull/model.h"

#include "engine/io/sha256.h"

namespace lull {

using nlohmann::json;

Shape ModelConfig::image() const {
    check(height > 0 && width > 0, "model", "its description has no image size; give --image-size");
    return {height, width, unet.in_channels};
}

double ModelConfig::contrast() const {
    const auto* edm = std::get_if<EdmPreconditioner>(&preconditioner);
    return edm ? edm->sigma_data : (white - black) / 3;
}

namespace {

json to_json(const Preconditioner& p) {
    json all = {{"name", Named<Preconditioner>::name_of(p)},
                {"mean", mean_of(p)},
                {"time_input", Named<TimeInput>::name_of(time_input_of(p))}};
    if (const auto* edm = std::get_if<EdmPreconditioner>(&p)) all["sigma_data"] = edm->sigma_data;
    return all;
}

Preconditioner preconditioner_from_json(const json& all) {
    Preconditioner p = Named<Preconditioner>::parse("preconditioner", all.at("name").get<std::string>());
    p = with(p, all.at("mean"), Named<TimeInput>::parse("time input", all.at("time_input").get<std::string>()));
    if (auto* edm = std::get_if<EdmPreconditioner>(&p)) {
        all.at("sigma_data").get_to(edm->sigma_data);
        check(edm->sigma_data > 0, "model", "expected sigma_data > 0, got ", edm->sigma_data);
    }
    return p;
}

}    // namespace

json to_json(const ModelConfig& config) {
    return {
        {"unet", to_json(config.unet)},
        {"preconditioner", to_json(config.preconditioner)},
        {"image",
         {{"height", config.height},
          {"width", config.width},
          {"channels", config.unet.in_channels},
          {"range", {config.black, config.white}}}},
    };
}

ModelConfig model_config_from_json(const json& all) try {
    const json& image = all.at("image");
    const ModelConfig config{
        .unet = unet_config_from_json(all.at("unet")),
        .preconditioner = preconditioner_from_json(all.at("preconditioner")),
        .height = image.at("height"),
        .width = image.at("width"),
        .black = image.at("range").at(0),
        .white = image.at("range").at(1),
    };
    check(config.height > 0 && config.width > 0, "model", "expected an image with pixels, got ", config.height, "×",
          config.width);
    check(config.black < config.white, "model", "expected a range from low to high, got ", config.black, " to ", config.white);
    return config;
} catch (const json::exception& error) { fail("model", "the description of the model is incomplete: ", error.what()); }

Denoiser Model::denoiser(const Tensor& labels) const {
    return lull::denoiser(network_of(unet, precision, labels), config.preconditioner);
}

PerImageDenoiser Model::per_image_denoiser(const Tensor& labels) const {
    return lull::per_image_denoiser(network_of(unet, precision, labels), config.preconditioner);
}

std::string model_hash(const Model& model) { return weights_hash(parameters_of(model.unet)); }

std::string weights_hash(const std::vector<NamedTensor>& weights) {
    Sha256 sha;
    for (const auto& [name, tensor] : weights) {
        const Tensor values = to_pytorch_layout(tensor.to(Device::cpu)).contiguous();
        std::ostringstream title;
        title << name << ' ' << values << '\n';    // the type and the shape
        sha.update(title.str());
        sha.update(values.raw(), static_cast<std::size_t>(values.elements() * size_of(values.dtype())));
    }
    return sha.hex();
}

}    // namespace lull
