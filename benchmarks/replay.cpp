#include "benchmarks/replay.h"

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "benchmarks/unet_layers.h"
#include "diffusion/objective.h"
#include "diffusion/samplers.h"
#include "engine/io/safetensors.h"
#include "nn/diffusers.h"
#include "nn/unet.h"

namespace lull {
namespace {

const Tensor& tensor_of(const SafetensorsFile& file, const std::filesystem::path& path, const std::string& name, int rank) {
    const auto found = file.tensors.find(name);
    check_file(found != file.tensors.end(), path, "expected a tensor \"", name, "\"");
    check_file(found->second.rank() == rank && found->second.dtype() == DType::f32, path, "expected \"", name, "\" of f32 with ",
               rank, " axes, got ", found->second);
    return found->second;
}

// Entry `step` of (S, …).
Tensor at(const Tensor& batches, std::int64_t step) {
    std::vector<std::int64_t> extents(batches.shape().begin() + 1, batches.shape().end());
    return batches.slice(0, step, step + 1).reshape(Shape(extents));
}

}    // namespace

void Replay::run() const {
    const Checkpoint checkpoint = read_diffusers(model / kDiffusersWeights);
    UNet unet(unet_config_from_json(checkpoint.config));
    load_all_weights(unet, checkpoint);
    Parameters parameters(unet);
    AdamW optimizer(kBenchmarkAdamW);

    const SafetensorsFile given = load_safetensors(batches);
    const Tensor &images = tensor_of(given, batches, "images", 5), &noise = tensor_of(given, batches, "noise", 5);
    const Tensor &sigmas = tensor_of(given, batches, "sigma", 2), &start = tensor_of(given, batches, "start", 4);
    check_file(images.shape() == noise.shape() && sigmas.shape() == Shape{images.size(0), images.size(1)}, batches,
               "expected images and noise (S, N, C, H, W) and sigma (S, N), got ", images, ", ", noise, " and ", sigmas);

    SafetensorsFile results;
    const Denoiser D = denoiser(network_of(unet, precision), kBenchmarkEdm);
    results.tensors["samples"] = to_pytorch_layout(sample_heun(D, from_pytorch_layout(start), karras_sigmas(18)));

    std::vector<double> losses;
    for (std::int64_t step = 0; step < images.size(0); ++step) {
        const Tensor y = from_pytorch_layout(at(images, step)), sigma = at(sigmas, step).reshape({-1, 1, 1, 1});
        const Tensor n = from_pytorch_layout(at(noise, step));
        const NoisyImages noisy{y + sigma * n, sigma, n};
        parameters.begin_step();
        const Tensor loss = denoising_loss(network_of(unet, precision), kBenchmarkEdm, y, noisy).loss;
        loss.backward();
        parameters.finish_step();
        losses.push_back(loss.item());
        if (step == 0) {
            for (const Parameter& p : parameters.list())
                results.tensors["gradient." + p.name] = to_pytorch_layout(p.tensor.grad()).clone();
        }
        optimizer.step(parameters, {.learning_rate = learning_rate, .beta1 = {}}, /*ema_decay=*/0.999);
    }
    results.tensors["loss"] = from_values(losses, {images.size(0)});
    save_safetensors(output, results);

    const double gflop = 1e-9 * forward_flops(unet.config, static_cast<int>(images.size(3)));
    std::cout << nlohmann::json{{"forward_gflop", gflop}} << std::endl;
}

}    // namespace lull
