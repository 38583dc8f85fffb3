#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>

#include "apps/lull/commands.h"
#include "apps/lull/model.h"
#include "apps/lull/predictor.h"
#include "engine/io/file.h"

namespace lull {
namespace {

using nlohmann::json;

constexpr const char* kExamples =
    "Examples:\n"
    "  lull inspect runs/fashion-mnist-s16-001     # what the model is, how it was trained, its parameters\n"
    "  lull inspect runs/ten --weights raw --hash  # the SHA-256 of its weights, which pictures carry, too\n"
    "  lull inspect runs/level                     # a noise-level predictor\n"
    "  lull inspect garments/unet --json           # the same for programs";

struct InspectSettings {
    std::filesystem::path model;
    ModelOptions options;
    bool only_hash = false, as_json = false;
};

// A value as a person writes it: strings without quotes, lists with spaces.
std::string plain(const json& value) {
    if (value.is_string()) return value;
    if (!value.is_array()) return value.dump();
    std::string list;
    for (const json& element : value) list += (list.empty() ? "" : ", ") + plain(element);
    return list;
}

void line(std::ostream& out, const std::string& name, const std::string& value) {
    out << "  " << std::left << std::setw(24) << name << value << '\n';
}

void section(std::ostream& out, const std::string& title, const json& settings) {
    if (!settings.is_object() || settings.empty()) return;
    out << '\n' << title << '\n';
    for (const auto& [name, value] : settings.items()) line(out, name, plain(value));
}

std::string images_of(const ModelConfig& config) {
    std::ostringstream text;
    if (config.height > 0)
        text << config.width << "x" << config.height;    // as --image-size has it
    else
        text << "any size";
    text << ", " << config.unet.in_channels << (config.unet.in_channels == 1 ? " channel" : " channels") << ", black at "
         << config.black << ", white at " << config.white;
    return text.str();
}

std::string classes_of(const UNetConfig& unet) {
    switch (unet.class_embed) {
        case ClassEmbedType::none:
            return "none: unconditional";
        case ClassEmbedType::table:
            return std::to_string(unet.classes);
        case ClassEmbedType::timestep:
            return "a number, embedded as the time is";
        case ClassEmbedType::identity:
            return "a vector of " + std::to_string(unet.time_width()) + " numbers";
    }
    return "";
}

std::string preconditioner_of(const Preconditioner& p) {
    std::ostringstream text;
    text << Named<Preconditioner>::name_of(p);
    if (const auto* edm = std::get_if<EdmPreconditioner>(&p)) text << ", sigma_data " << edm->sigma_data;
    text << ", mean " << mean_of(p) << ", time input " << Named<TimeInput>::name_of(time_input_of(p));
    return text.str();
}

// "400 of 1300", or nothing when the file does not say.
std::string progress_of(const json& description) {
    if (!description.contains("step")) return "";
    const json steps = description.value(json::json_pointer("/training/steps"), json());
    return plain(description.at("step")) + (steps.is_null() ? "" : " of " + plain(steps));
}

void print(std::ostream& out, const Model& model, const ModelOptions& options) {
    const bool foreign = model.description.is_null();
    out << model.file.string() << ", " << grouped(size_of_file(model.file)) << " bytes\n\nModel\n";
    line(out, "written by", foreign ? "diffusers, or another program" : "lull");
    line(out, "images", images_of(model.config));
    line(out, "classes", classes_of(model.config.unet));
    line(out, "preconditioner", preconditioner_of(model.config.preconditioner) + (foreign ? " (from flags or by default)" : ""));
    line(out, "weights", model.averaged ? options.weights == Weights::ema ? "averaged (ema)" : "as trained (raw)" : "one set");
    if (const std::string progress = progress_of(model.description); !progress.empty()) line(out, "training step", progress);
    section(out, "Data", foreign ? json() : model.description.value("data", json()));
    section(out, "Training", foreign ? json() : model.description.value("training", json()));
    section(out, "Network, in diffusers' words", to_json(model.config.unet));
    out << "\nParameters, in lull's shapes: filters are (O, H, W, I); --json has them in PyTorch's\n" << model.unet;
}

void print(std::ostream& out, const Predictor& predictor, const ModelOptions& options) {
    const auto& [resnet, task, black, white] = predictor.config;
    std::ostringstream range, levels;
    range << resnet.width << 'x' << resnet.height << ", " << resnet.in_channels
          << (resnet.in_channels == 1 ? " channel" : " channels") << ", black at " << black << ", white at " << white;
    levels << task.least() << " to " << task.most();
    out << predictor.file.string() << ", " << grouped(size_of_file(predictor.file)) << " bytes\n\nNoise-level predictor\n";
    line(out, "images", range.str());
    line(out, "answers", std::string(name_of(task.target)));
    line(out, "sigma", levels.str());
    line(out, "weights",
         predictor.averaged ? options.weights == Weights::ema ? "averaged (ema)" : "as trained (raw)" : "one set");
    if (const std::string progress = progress_of(predictor.description); !progress.empty()) line(out, "training step", progress);
    section(out, "Data", predictor.description.value("data", json()));
    section(out, "Training", predictor.description.value("training", json()));
    section(out, "Network", to_json(resnet));
    out << "\nParameters, in lull's shapes: filters are (O, H, W, I); --json has them in PyTorch's\n" << predictor.net;
}

// What a file says, with its hash and the shapes of its tensors.
template <class M>
json with_tensors(json all, const std::filesystem::path& file, const std::string& hash, const M& module) {
    json tensors = json::object();
    for (const auto& [name, tensor] : parameters_of(module)) {
        const Shape shape = to_pytorch_layout(tensor).shape();
        tensors[name] = std::vector<std::int64_t>(shape.begin(), shape.end());
    }
    all["file"] = file.string();
    all["sha256"] = hash;
    all["parameters"] = parameter_count(module);
    all["tensors"] = tensors;
    return all;
}

json as_json(const Model& model) {
    json all = model.description.is_null() ? json::object() : model.description;
    all["model"] = to_json(model.config);
    return with_tensors(all, model.file, model_hash(model), model.unet);
}

json as_json(const Predictor& predictor) {
    return with_tensors(predictor.description, predictor.file, predictor_hash(predictor), predictor.net);
}

std::string hash_of(const Model& model) { return model_hash(model); }
std::string hash_of(const Predictor& predictor) { return predictor_hash(predictor); }

// what: a Model or a Predictor.
template <class T>
void inspect(const T& what, const InspectSettings& settings) {
    if (settings.as_json)
        std::cout << as_json(what).dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    else if (settings.only_hash)
        std::cout << hash_of(what) << '\n';
    else
        print(std::cout, what, settings.options);
}

}    // namespace

void add_inspect_command(CLI::App& app) {
    const auto settings = std::make_shared<InspectSettings>();
    CLI::App& command = *app.add_subcommand("inspect", "Say what a model is: settings, training, parameters");
    command.footer(kExamples);
    add_model_argument(command, settings->model);
    command.add_flag("--hash", settings->only_hash, "print only the SHA-256 of the weights")->group("Format");
    command.add_flag("--json", settings->as_json, "print everything as JSON, tensors' shapes in PyTorch's order")
        ->group("Format");
    add_model_options(command, settings->options);
    command.get_option("--image-size")
        ->description("say it with this size, as lull sample would draw (default: the model's own)");
    command.get_option("--range-low")
        ->description("say it with this value for black, as lull sample would (default: the data's)");
    command.get_option("--range-high")
        ->description("say it with this value for white, as lull sample would (default: the data's)");
    command.final_callback([settings] {
        if (is_predictor(settings->model))
            inspect(load_predictor(settings->model, settings->options.weights), *settings);
        else
            inspect(load_model(settings->model, settings->options), *settings);
    });
}

}    // namespace lull
