#include "nn/checkpoint.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "nn/ema.h"
#include "nn/init.h"
#include "nn/unet.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using nlohmann::json;
using test::error_of;
using test::same_bits;
using test::TemporaryFolder;

// A tiny U-Net in training: step k's data and rate are functions of k.
struct Run {
    UNet unet{{.channels = {8, 16}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 4, .groups = 4}};
    Parameters parameters{(initialise_pytorch(unet, 1), unet)};
    AdamW optimizer{{.beta2 = 0.99, .eps = 1e-5, .weight_decay = 0.01, .max_norm = 1}};
    OneCycle schedule{.max_lr = 1e-2, .total_steps = 4};
    std::int64_t position = 0;

    void train(int steps) {
        for (int i = 0; i < steps; ++i, ++position) {
            const RandomStream stream{9, Purpose::data, static_cast<std::uint64_t>(position)};
            const Tensor x = random_normal({2, 8, 8, 1}, stream);
            parameters.begin_step();
            mean(sq(unet(x, full({2}, 0.5)) - x)).backward();
            parameters.finish_step();
            optimizer.step(parameters, schedule(position), EmaDecay()(position));
        }
    }
};

TEST_CASE("four steps have the same bits as two, a file, and two more") {
    const TemporaryFolder folder;
    Run whole, first, second;
    whole.train(4);

    first.train(2);
    save_training_state(folder / "state.safetensors", first.parameters, first.optimizer, {{"step", first.position}});
    initialise_pytorch(second.unet, 77);    // whatever was there is gone
    second.position = load_training_state(folder / "state.safetensors", second.parameters, second.optimizer).at("step");
    second.train(2);

    CHECK(same_bits(second.parameters.weights, whole.parameters.weights));
    CHECK(same_bits(second.parameters.ema, whole.parameters.ema));
    CHECK(same_bits(second.parameters.first_moment, whole.parameters.first_moment));
    CHECK(same_bits(second.parameters.second_moment, whole.parameters.second_moment));
    CHECK_FALSE(same_bits(first.parameters.weights, whole.parameters.weights));
}

TEST_CASE("a checkpoint gives back the config and either set of weights") {
    const TemporaryFolder folder;
    Run run;
    run.train(2);
    save_checkpoint(folder / "model.safetensors", run.parameters, {{"unet", to_json(run.unet.config)}, {"σ", 0.5}});
    CHECK(folder.files() == 1);

    const Checkpoint checkpoint = read_checkpoint(folder / "model.safetensors");
    CHECK(checkpoint.config.at("σ") == 0.5);
    UNet unet(unet_config_from_json(checkpoint.config.at("unet")));
    load_weights(unet, checkpoint, Weights::raw);
    CHECK(same_bits(unet.conv_in.weight, run.unet.conv_in.weight));
    load_weights(unet, checkpoint, Weights::ema);
    CHECK(same_bits(unet.conv_in.weight, run.parameters.averaged(run.unet).conv_in.weight));
    CHECK_FALSE(same_bits(unet.conv_in.weight, run.unet.conv_in.weight));
}

TEST_CASE("files hold PyTorch's layout, and filters come back as they were") {
    const Tensor filter = random_normal({5, 3, 2, 4}, {1, Purpose::data, 0});    // (O, kh, kw, C)
    const Tensor theirs = to_pytorch_layout(filter);
    CHECK(theirs.shape() == Shape{5, 4, 3, 2});
    CHECK(theirs.slice(0, 2, 3).slice(1, 3, 4).slice(2, 1, 2).slice(3, 0, 1).item() ==
          filter.slice(0, 2, 3).slice(1, 1, 2).slice(2, 0, 1).slice(3, 3, 4).item());
    CHECK(same_bits(from_pytorch_layout(theirs), filter));
    const Tensor matrix = ones({2, 3});
    CHECK(to_pytorch_layout(matrix).shape() == matrix.shape());
}

TEST_CASE("a single bit that has changed on the disk is noticed") {
    const TemporaryFolder folder;
    Run run;
    const std::string message = ": is damaged: its contents do not have the checksum that was written with them";
    const auto path = folder / "file.safetensors";
    const auto flip = [&](std::size_t from_end) {
        std::string bytes = test::read_bytes(path);
        bytes[bytes.size() - from_end] ^= 1;
        test::write_bytes(path, bytes);
    };
    save_checkpoint(path, run.parameters, {{"step", 1}});
    CHECK(read_checkpoint(path).config.at("step") == 1);
    flip(1000);
    CHECK(error_of([&] { read_checkpoint(path); }) == path.string() + message);
    flip(1000);
    CHECK(read_checkpoint(path).config.at("step") == 1);

    save_training_state(path, run.parameters, run.optimizer, {{"step", 1}});
    flip(1);
    CHECK(error_of([&] { load_training_state(path, run.parameters, run.optimizer); }) == path.string() + message);
}

TEST_CASE("a file that does not fit says what is missing or wrong") {
    const TemporaryFolder folder;
    const Run run;
    Checkpoint checkpoint;
    for (const auto& [name, tensor] : parameters_of(run.unet)) checkpoint.tensors[name] = to_pytorch_layout(tensor);

    UNet unet(run.unet.config);
    load_weights(unet, checkpoint);    // no averages in it: the plain weights
    CHECK(same_bits(unet.conv_in.weight, run.unet.conv_in.weight));

    checkpoint.tensors["ema.conv_in.weight"] = checkpoint.tensors.at("conv_in.weight");    // one average of many
    CHECK(error_of([&] { load_weights(unet, checkpoint); }).starts_with("[checkpoint] there is no tensor 'ema."));
    checkpoint.tensors.erase("ema.conv_in.weight");

    checkpoint.tensors["conv_out.weight"] = zeros({1, 3, 3, 8});
    CHECK(error_of([&] { load_weights(unet, checkpoint); }) ==
          "[checkpoint] conv_out.weight: expected (1, 8, 3, 3), got (1, 3, 3, 8)");
    checkpoint.tensors.erase("conv_in.bias");
    CHECK(error_of([&] { load_weights(unet, checkpoint); }) == "[checkpoint] there is no tensor 'conv_in.bias'");

    const auto path = folder / "plain.safetensors";
    save_safetensors(path, {checkpoint.tensors, {}});
    CHECK(error_of([&] { read_checkpoint(path); }) == path.string() + ": expected 'config' in the metadata, as lull writes it");
    save_safetensors(path, {checkpoint.tensors, {{"config", "{"}}});
    CHECK(error_of([&] { read_checkpoint(path); }) == path.string() + ": 'config' in the metadata is not JSON");
}

}    // namespace
}    // namespace lull
