#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "nn/diffusers.h"

namespace lull {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  lull export runs/fashion-mnist-s16-001 garments    # the averaged weights\n"
    "  lull export runs/ten garments-raw --weights raw    # the weights as trained\n"
    "In Python: diffusers.UNet2DModel.from_pretrained(\"garments\"). lull sample garments draws from it, too: what\n"
    "diffusers does not know of (preconditioner, range of the images) stands in the weights' file's metadata.";

struct ExportSettings {
    std::filesystem::path model, folder;
    ModelOptions options;
};

void export_model(const ExportSettings& settings) {
    const Model model = load_model(settings.model, settings.options);
    nlohmann::json description = model.description.is_null() ? nlohmann::json::object() : model.description;
    description["model"] = to_json(model.config);
    write_diffusers(settings.folder, model.unet, model.config.height, model.config.width, description);
}

}    // namespace

void add_export_command(CLI::App& app) {
    const auto settings = std::make_shared<ExportSettings>();
    CLI::App& command = *app.add_subcommand("export", "Write a model as a folder that diffusers loads");
    command.footer(kExamples);
    add_model_argument(command, settings->model);
    command.add_option("DIR", settings->folder, "the folder to make; never one that has something in it")
        ->option_text(" ")
        ->required();
    add_model_options(command, settings->options);
    command.get_option("--image-size")
        ->description("32, or width and height as 48x32: sample_size in config.json (default: the model's own)");
    command.get_option("--range-low")
        ->description("the value that lull shows black when it draws from DIR (default: the data's)");
    command.get_option("--range-high")
        ->description("the value that lull shows white when it draws from DIR (default: the data's)");
    command.final_callback([settings] {
        export_model(*settings);
        std::cout << settings->folder.string() << '\n';
    });
}

}    // namespace lull
