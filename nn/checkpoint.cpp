#include "nn/checkpoint.h"

#include <utility>
#include <vector>

#include "engine/io/file.h"
#include "engine/ops/copy/copy.h"

namespace lull {

using nlohmann::json;

namespace {

constexpr auto kEma = "ema.";
constexpr auto kChecksum = "crc32";

// A slice of a flat array, and its name in a file.
using NamedSlices = std::vector<NamedTensor>;

// Weights and averages, of parameters and of buffers.
NamedSlices model_slices(const Parameters& parameters) {
    NamedSlices slices;
    for (const auto* list : {&parameters.list(), &parameters.buffers()}) {
        for (const Parameter& p : *list) {
            slices.push_back({p.name, Parameters::slice(parameters.weights, p)});
            slices.push_back({kEma + p.name, Parameters::slice(parameters.ema, p)});
        }
    }
    return slices;
}

// The same, and the optimizer's moments. Those of buffers are always zero.
NamedSlices training_slices(const Parameters& parameters) {
    NamedSlices slices = model_slices(parameters);
    for (const Parameter& p : parameters.list()) {
        slices.push_back({"first_moment." + p.name, Parameters::slice(parameters.first_moment, p)});
        slices.push_back({"second_moment." + p.name, Parameters::slice(parameters.second_moment, p)});
    }
    return slices;
}

std::map<std::string, Tensor> named_tensors(const NamedSlices& slices) {
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, slice] : slices) tensors[name] = to_pytorch_layout(slice.to(Device::cpu));
    return tensors;
}

// to ← the tensor of that name in the file's layout.
void load(const std::map<std::string, Tensor>& tensors, const std::string& name, const Tensor& to) {
    const auto found = tensors.find(name);
    check(found != tensors.end(), "checkpoint", "there is no tensor '", name, "'");
    const Tensor from = from_pytorch_layout(found->second);
    check(from.shape() == to.shape(), "checkpoint", name, ": expected ", to_pytorch_layout(to).shape(), ", got ",
          found->second.shape());
    copy(from, to);
    to.storage()->changed();
}

json parsed(const std::filesystem::path& path, const SafetensorsFile& file, const std::string& key) {
    const auto found = file.metadata.find(key);
    check_file(found != file.metadata.end(), path, "expected '", key, "' in the metadata, as lull writes it");
    const auto sum = file.metadata.find(kChecksum);
    check_file(sum == file.metadata.end() || sum->second == checksum(found->second, file.tensors), path,
               "is damaged: its contents do not have the checksum that was written with them");
    json value = json::parse(found->second, nullptr, false);
    check_file(!value.is_discarded(), path, "'", key, "' in the metadata is not JSON");
    return value;
}

void save(const std::filesystem::path& path, std::map<std::string, Tensor> tensors, const std::string& key, const json& value) {
    const std::string description = value.dump(), sum = checksum(description, tensors);
    save_safetensors(path,
                     {std::move(tensors), {{key, description}, {kChecksum, sum}, {"format", "pt"}, {"lull", LULL_VERSION}}});
}

}    // namespace

Tensor to_pytorch_layout(const Tensor& x) { return x.rank() == 4 ? x.detach().transpose(1, 3).transpose(2, 3).contiguous() : x; }

Tensor from_pytorch_layout(const Tensor& x) {
    return x.rank() == 4 ? x.detach().transpose(2, 3).transpose(1, 3).contiguous() : x;
}

void save_checkpoint(const std::filesystem::path& path, const Parameters& parameters, const json& config) {
    save(path, named_tensors(model_slices(parameters)), "config", config);
}

void save_weights(const std::filesystem::path& path, const std::vector<NamedTensor>& weights, const json& config) {
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, tensor] : weights) tensors[name] = to_pytorch_layout(tensor.to(Device::cpu));
    save(path, std::move(tensors), "config", config);
}

Checkpoint read_checkpoint(const std::filesystem::path& path) { return as_checkpoint(path, load_safetensors(path)); }

Checkpoint as_checkpoint(const std::filesystem::path& path, SafetensorsFile file) {
    json config = parsed(path, file, "config");
    return {std::move(config), std::move(file.tensors)};
}

bool has_averages(const Checkpoint& checkpoint) {
    const auto first = checkpoint.tensors.lower_bound(kEma);
    return first != checkpoint.tensors.end() && first->first.starts_with(kEma);
}

void detail::load_parameter(Tensor& parameter, const std::string& name, const Checkpoint& checkpoint, Weights which) {
    // Asked of the whole file: one that lacks a single average is damaged, and plain weights would not go with the rest.
    const bool averaged = which == Weights::ema && has_averages(checkpoint);
    load(checkpoint.tensors, averaged ? kEma + name : name, parameter);
}

void save_training_state(const std::filesystem::path& path, const Parameters& parameters, const AdamW& optimizer,
                         const json& position) {
    const json all = {{"position", position}, {"optimizer_steps", optimizer.steps}};
    save(path, named_tensors(training_slices(parameters)), "training", all);
}

json load_training_state(const std::filesystem::path& path, Parameters& parameters, AdamW& optimizer) try {
    const SafetensorsFile file = load_safetensors(path);
    const json all = parsed(path, file, "training");
    const std::int64_t steps = all.at("optimizer_steps");
    json position = all.at("position");
    for (const auto& [name, slice] : training_slices(parameters)) load(file.tensors, name, slice);
    optimizer.steps = steps;
    return position;
} catch (const json::exception& error) { fail_file(path, "'training' in the metadata is incomplete: ", error.what()); }

}    // namespace lull
