// Checkpoints: one self-describing safetensors file for a model, and one more for resuming a run. What is saved may lie on any
// device, and what is read lies on the CPU until it fills a module or parameters, wherever these are.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "nn/module.h"
#include "nn/optim.h"
#include "nn/parameters.h"

namespace lull {

// A file's tensors by name, and its description. Model files hold each parameter and buffer under its own name and its average
// under "ema." + name, in PyTorch's layout: filters (O, C, kh, kw), all else as here.
struct Checkpoint {
    nlohmann::json config;
    std::map<std::string, Tensor> tensors;
};

// Which of a checkpoint's weights.
enum class Weights { raw, ema };

// Writes weights and EMA, with config (architecture, preconditioning, normalisation, …) as JSON under "config" in the
// metadata, and lull's version and a checksum of it all beside it. The file appears under its name only when it is complete
// and on disk.
void save_checkpoint(const std::filesystem::path& path, const Parameters& parameters, const nlohmann::json& config);

// The same with one set of weights and no averages.
void save_weights(const std::filesystem::path& path, const std::vector<NamedTensor>& weights, const nlohmann::json& config);

// Throws Error when the file cannot be read, is damaged (which its checksum shows, if it has one), or has no config.
Checkpoint read_checkpoint(const std::filesystem::path& path);
// The same of a file that has been read.
Checkpoint as_checkpoint(const std::filesystem::path& path, SafetensorsFile file);

// Whether there are averages beside the weights.
bool has_averages(const Checkpoint& checkpoint);

namespace detail {
void load_parameter(Tensor& parameter, const std::string& name, const Checkpoint& checkpoint, Weights which);
}

// Fills the module's parameters and buffers. Throws Error when one is missing or has another shape; what the module does not
// have (PyTorch's num_batches_tracked) is passed over. Files without averages (a foreign
// model's) give their plain weights for either.
template <Module M>
void load_weights(M& module, const Checkpoint& checkpoint, Weights which = Weights::ema) {
    for_each(module,
             [&](const std::string& name, Tensor& parameter) { detail::load_parameter(parameter, name, checkpoint, which); });
    for_each(module,
             [&](const std::string& name, Buffer& buffer) { detail::load_parameter(buffer.tensor, name, checkpoint, which); });
}

// A run at rest: weights, EMA, moments, the optimizer's steps, and `position`: whatever else the caller needs to go on
// (step, seed, place in the data). One file, so that its parts cannot come from different steps. A run that is saved, restored
// and continued is bit for bit the run that was not.
void save_training_state(const std::filesystem::path& path, const Parameters& parameters, const AdamW& optimizer,
                         const nlohmann::json& position);
// Fills parameters and optimizer, and returns position. Throws Error as read_checkpoint and load_weights do; then the
// parameters are half filled.
nlohmann::json load_training_state(const std::filesystem::path& path, Parameters& parameters, AdamW& optimizer);

// Images and filters between our layout, channels last, and PyTorch's: (N, H, W, C) ↔ (N, C, H, W), (O, kh, kw, C) ↔
// (O, C, kh, kw). Tensors of another rank are left as they are.
Tensor to_pytorch_layout(const Tensor& x);
Tensor from_pytorch_layout(const Tensor& x);

}    // namespace lull
