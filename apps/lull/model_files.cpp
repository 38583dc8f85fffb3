// Finding a model on the disk, and reading it: lull's checkpoints and diffusers' folders.
#include "apps/lull/model.h"
#include "apps/lull/options.h"
#include "engine/io/file.h"
#include "nn/diffusers.h"

namespace lull {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr auto kCheckpoint = "checkpoint.safetensors";

// What a folder has instead of what lull reads, as the end of an error's line.
std::string what_else(const fs::path& folder) {
    for (const std::string stem : {"diffusion_pytorch_model", "pytorch_model", "model"}) {
        for (const std::string end : {".bin", ".fp16.safetensors", ".safetensors.index.json", ".safetensors"}) {
            if (fs::exists(folder / (stem + end)))
                return "; it has " + stem + end + ": save the model as one safetensors file of float32 with diffusers' " +
                       "save_pretrained";
        }
    }
    return "";
}

// A model of lull's keeps what it was trained with.
ModelConfig own_config(const json& description, const ModelOptions& options) {
    const auto refuse = [](bool given, const char* flag) {
        check_usage(!given, flag, "cannot be given for this model, which says with what it was trained");
    };
    refuse(options.objective.has_value(), "--objective");
    refuse(options.sigma_data.has_value(), "--sigma-data");
    refuse(options.mean.has_value(), "--mean");
    refuse(options.time_input.has_value(), "--time-input");
    check(description.contains("model"), "model", "no \"model\" in the file's description");
    return model_config_from_json(description.at("model"));
}

Preconditioner chosen_preconditioner(const ModelOptions& options) {
    Preconditioner p = options.objective.value_or(EdmPreconditioner{});
    auto* edm = std::get_if<EdmPreconditioner>(&p);
    check_usage(edm || !options.sigma_data, "--sigma-data", "does nothing with --objective ", Named<Preconditioner>::name_of(p),
                ", only with edm");
    if (edm) edm->sigma_data = options.sigma_data.value_or(edm->sigma_data);
    return with(p, options.mean.value_or(0), options.time_input.value_or(time_input_of(p)));
}

// diffusers' config.json says what the network is, and nothing of what is around it.
ModelConfig diffusers_config(const json& config, const ModelOptions& options) try {
    ModelConfig model{
        .unet = unet_config_from_json(config), .preconditioner = chosen_preconditioner(options), .height = 0, .width = 0};
    const json size = config.value("sample_size", json());
    if (size.is_number()) model.height = model.width = size;
    if (size.is_array()) {
        check(size.size() == 2, "model", "sample_size: expected one number, or height and width, got ", size);
        model.height = size[0];
        model.width = size[1];
    }
    return model;
} catch (const json::exception& error) { fail("model", "sample_size: expected whole numbers: ", error.what()); }

void apply_to_images(const ModelOptions& options, ModelConfig& config) {
    if (options.width) {
        const int multiple = 1 << (config.unet.levels() - 1);
        check_usage(*options.width % multiple == 0 && *options.height % multiple == 0, "--image-size", "expected multiples of ",
                    multiple, " for this network of ", config.unet.levels(), " levels, got ",
                    to_string(ImageSize{*options.width, *options.height}));
        config.height = *options.height;
        config.width = *options.width;
    }
    config.black = options.black.value_or(config.black);
    config.white = options.white.value_or(config.white);
    check_usage(config.black < config.white, "--range-low", "expected less than the range's high end ", config.white, ", got ",
                config.black);
}

}    // namespace

fs::path find_model(const fs::path& path) {
    check_file(fs::exists(path), path, "no such run, checkpoint or diffusers folder");
    if (!fs::is_directory(path)) return path;
    for (const fs::path& file : {path / kCheckpoint, path / kDiffusersWeights, path / "unet" / kDiffusersWeights})
        if (fs::exists(file)) return file;
    const fs::path inner = fs::is_directory(path / "unet") ? path / "unet" : path;
    fail_file(inner, "no ", kCheckpoint, " and no ", kDiffusersWeights, " in this folder", what_else(inner));
}

Model load_model(const fs::path& path, const ModelOptions& options) {
    const fs::path file = find_model(path), config_file = file.parent_path() / kDiffusersConfig;
    SafetensorsFile contents = load_safetensors(file);
    const bool own = contents.metadata.contains("config");
    check_file(!contents.metadata.contains("training"), file, "is a training state; name the run's folder");
    check_file(own || fs::exists(config_file), file, "expected 'config' in the metadata, as lull writes it, or diffusers' ",
               kDiffusersConfig, " beside the file");
    const Checkpoint checkpoint = own ? as_checkpoint(file, std::move(contents)) : as_diffusers(file, std::move(contents));
    check_file(!own || !checkpoint.config.contains("noise_level"), file,
               "is a noise-level predictor, which draws nothing; lull sample MODEL --blind takes it");
    check_file(own || !checkpoint.config.contains("training"), file,
               "does not say what its model is, and the config.json beside it is a run's; name the run's folder");
    try {
        ModelConfig config = own ? own_config(checkpoint.config, options) : diffusers_config(checkpoint.config, options);
        apply_to_images(options, config);
        Model model{config, UNet(config.unet), own ? checkpoint.config : json(), file, has_averages(checkpoint)};
        if (own)
            load_weights(model.unet, checkpoint, options.weights);
        else
            load_all_weights(model.unet, checkpoint);
        return model;
    } catch (const UsageError&) { throw; } catch (const Error& error) {
        throw Error((own ? file : config_file).string() + ": " + error.what());
    }
}

}    // namespace lull
