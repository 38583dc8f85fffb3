// For tests/python/diffusers_round_trip.py: a U-Net's output on given inputs, and checkpoints that only lull has made.
//
//     unet_output MODEL INPUT.safetensors OUTPUT.safetensors    tensors x (N, C, H, W), time (N), and labels if there are any;
//                                                               writes out
//     unet_output --initialise CONFIG.json FILE.safetensors     a checkpoint of a network of diffusers' configuration
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/lull/model.h"
#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "nn/init.h"

using namespace lull;

namespace {

void write_output(const std::string& model, const std::string& input, const std::string& output) {
    const Model loaded = load_model(model);
    const auto tensors = load_safetensors(input).tensors;
    const Tensor labels = tensors.contains("labels") ? tensors.at("labels") : Tensor();
    const NoGrad no_grad;
    const Tensor out = loaded.unet(from_pytorch_layout(tensors.at("x")), tensors.at("time"), labels);
    save_safetensors(output, {{{"out", to_pytorch_layout(out)}}, {}});
}

void write_checkpoint(const std::string& config, const std::string& file) {
    std::ifstream in(config);
    UNet unet(unet_config_from_json(nlohmann::json::parse(in)));
    initialise_pytorch(unet, 1);
    save_weights(file, parameters_of(unet),
                 {{"model", to_json(ModelConfig{.unet = unet.config, .preconditioner = EdmPreconditioner{}})}});
}

}    // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    check(arguments.size() == 3, "unet_output", "expected three arguments, got ", arguments.size());
    if (arguments[0] == "--initialise")
        write_checkpoint(arguments[1], arguments[2]);
    else
        write_output(arguments[0], arguments[1], arguments[2]);
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
