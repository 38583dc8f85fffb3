#include "nn/unet.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/threads.h"
#include "nn/checkpoint.h"
#include "nn/init.h"
#include "nn/parameters.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using test::absolute_error;
using test::relative_error;

// f32 against diffusers in f64, relative to each tensor's largest element: tens of layers, each adding a few roundings of
// 6e-8 of its largest value. A wrong eps, a swapped skip or a missing bias shows as 1e-2 or more.
constexpr double kTolerance = 1e-4;

SafetensorsFile golden(const std::string& name) {
    return load_safetensors(test::source_dir() / ("tests/golden/unet_" + name + ".safetensors"));
}

void compare_with_diffusers(const std::string& name) {
    CAPTURE(name);
    const SafetensorsFile file = golden(name);
    const auto& tensors = file.tensors;
    Checkpoint weights;
    std::size_t expected_parameters = 0;
    for (const auto& [key, tensor] : tensors) {
        if (!key.starts_with("weights/")) continue;
        weights.tensors[key.substr(8)] = tensor;
        ++expected_parameters;
    }

    UNet unet(unet_config_from_json(nlohmann::json::parse(file.metadata.at("config"))));
    Parameters parameters(unet);
    CHECK(parameters.list().size() == expected_parameters);
    load_weights(unet, weights);

    Tensor x = from_pytorch_layout(tensors.at("x"));
    x.requires_grad();
    const Tensor labels = tensors.contains("labels") ? tensors.at("labels") : Tensor();
    if (unet.config.dropout > 0) {
        CHECK(test::error_of([&] { unet(x, tensors.at("timestep"), labels); }) ==
              "[unet] expected a network without dropout for training, got dropout 0.25");
        unet.config.dropout = 0;
    }
    const Tensor out = unet(x, tensors.at("timestep"), labels);
    CHECK(relative_error(out, from_pytorch_layout(tensors.at("out"))) < kTolerance);

    parameters.begin_step();
    sum(out * from_pytorch_layout(tensors.at("grad_out"))).backward();
    parameters.finish_step();
    CHECK(relative_error(x.grad(), from_pytorch_layout(tensors.at("grad_x"))) < kTolerance);
    for (const Parameter& parameter : parameters.list()) {
        CAPTURE(parameter.name);
        const auto expected_of = [&](const std::string& key) { return from_pytorch_layout(tensors.at("grads/" + key)); };
        const Tensor gradient = Parameters::slice(parameters.gradients, parameter);
        if (!tensors.contains("grads/" + parameter.name)) {    // fixed
            CHECK(parameter.name == "time_proj.weight");
            CHECK(test::largest(gradient) == 0);
            continue;
        }
        const Tensor expected = expected_of(parameter.name);
        // A key's bias adds the same score to every token, which softmax ignores: its gradient is 0 but for rounding, and
        // is measured against the query's.
        const std::size_t key_bias = parameter.name.find("to_k.bias");
        const bool zero = key_bias != std::string::npos;
        const double scale =
            test::largest(zero ? expected_of(std::string(parameter.name).replace(key_bias, 4, "to_q")) : expected);
        CHECK(absolute_error(gradient, expected) < kTolerance * scale);
    }
}

TEST_CASE("the U-Net computes what diffusers computes, forward and every gradient") {
    compare_with_diffusers("attention");
    compare_with_diffusers("no_attention");
    compare_with_diffusers("rgb");            // three channels, three images, not square; one head, other time embedding
    compare_with_diffusers("conditional");    // classes, one-sided padding, attention only on the way up, centred input
    compare_with_diffusers("fourier");        // scale and shift, resampling residual blocks, a number as class
    compare_with_diffusers("mish");           // groups of the middle's attention, a vector as class
    compare_with_diffusers("relu");           // no middle, one level
}

UNet small_unet() {
    UNet unet({.channels = {8, 16}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 4, .groups = 4});
    initialise_pytorch(unet, 5);
    return unet;
}

TEST_CASE("an image's output has the same bits in any batch and with any number of threads") {
    const UNet unet = small_unet();
    const NoGrad no_grad;
    const Tensor x = random_normal({5, 8, 8, 1}, {1, Purpose::data, 0}), time = random_normal({5}, {1, Purpose::data, 1});
    const int threads = thread_count();
    set_thread_count(1);
    const Tensor whole = unet(x, time);
    set_thread_count(2);
    CHECK(test::same_bits(unet(x, time), whole));
    const auto part = [&](std::int64_t begin, std::int64_t end) {
        return unet(x.slice(0, begin, end).contiguous(), time.slice(0, begin, end).contiguous());
    };
    CHECK(test::same_bits(concat({part(0, 1), part(1, 4), part(4, 5)}, 0), whole));
    set_thread_count(threads);
}

TEST_CASE("gradients have the same bits with any number of threads") {
    UNet unet = small_unet();
    Parameters parameters(unet);
    const Tensor x = random_normal({3, 8, 8, 1}, {2, Purpose::data, 0}), time = random_normal({3}, {2, Purpose::data, 1});
    const auto gradients = [&](int threads) {
        set_thread_count(threads);
        parameters.begin_step();
        sum(sq(unet(x, time))).backward();
        parameters.finish_step();
        return parameters.gradients.clone();
    };
    const int threads = thread_count();
    const Tensor one = gradients(1), two = gradients(2);
    set_thread_count(threads);
    CHECK(test::same_bits(one, two));
    CHECK(test::largest(one) > 0);
}

TEST_CASE("inputs of the wrong shape are refused with what was expected") {
    const UNet unet = small_unet();
    CHECK(test::error_of([&] {
              unet(zeros({2, 8, 9, 1}), zeros({2}));
          }) == "[unet] expected x (N, H, W, 1) with H and W multiples of 2, got f32 (2, 8, 9, 1)");
    CHECK(test::error_of([&] {
              unet(zeros({2, 8, 8, 1}), zeros({3}));
          }) == "[unet] expected time (2,), one number per image, got f32 (3,)");
}

UNet conditional_unet() {
    UNet unet({.channels = {4, 8},
               .attention = {false, false},
               .mid_attention = false,
               .layers_per_block = 1,
               .groups = 2,
               .class_embed = ClassEmbedType::table,
               .classes = 3});
    initialise_pytorch(unet, 6);
    return unet;
}

TEST_CASE("each image's output follows its own label") {
    const UNet unet = conditional_unet();
    const Tensor x = random_normal({1, 4, 4, 1}, {1, Purpose::data, 0}), time = zeros({1});
    const auto with = [&](double label) { return unet(x, time, from_values({label}, {1}, DType::i32)); };
    CHECK(test::relative_error(with(1), with(0)) > 1e-3);
    const Tensor both = unet(concat({x, x}, 0), zeros({2}), from_values({2, 0}, {2}, DType::i64));
    CHECK(test::same_bits(both, concat({with(2), with(0)}, 0)));
}

TEST_CASE("labels that do not fit the network are refused") {
    const auto refusal = [](const UNet& unet, const Tensor& labels) {
        return test::error_of([&] { unet(zeros({2, 4, 4, 1}), ones({2}), labels); });
    };
    const UNet conditional = conditional_unet();
    CHECK(refusal(conditional, {}) == "[unet] expected labels, one per image, as the model is conditional, got none");
    CHECK(refusal(conditional, zeros({3}, DType::i32)) == "[unet] expected labels (2,), one per image, got i32 (3,)");
    CHECK(refusal(conditional, zeros({2})) == "[unet] expected labels of i32, got f32 (2,)");
    CHECK(refusal(conditional, from_values({1, 3}, {2}, DType::i32)) == "[unet] expected labels from 0 to 2, got 3");
    CHECK(refusal(conditional, from_values({-1, 0}, {2}, DType::i32)) == "[unet] expected labels from 0 to 2, got -1");
    CHECK(refusal(small_unet(), zeros({2}, DType::i32)) ==
          "[unet] expected no labels, as the model is unconditional, got i32 (2,)");
    UNetConfig config = conditional.config;
    config.class_embed = ClassEmbedType::identity;
    config.classes = 0;
    CHECK(refusal(UNet(config), zeros({2}, DType::i32)) == "[unet] expected labels (2, 16), one vector per image, got i32 (2,)");
}

TEST_CASE("Fourier features take no time that has no logarithm") {
    UNet unet({.channels = {4},
               .attention = {false},
               .mid_attention = false,
               .groups = 2,
               .time_embedding = TimeEmbeddingType::fourier});
    initialise_pytorch(unet, 0);
    CHECK(test::largest(unet.time_proj->weight) > 4);    // N(0, 16²)
    CHECK(test::error_of([&] {
              unet(zeros({2, 4, 4, 1}), from_values({1, -0.5}, {2}));
          }) == "[fourier_embedding] expected times above 0, as their logarithm is embedded, got -0.5");
}

}    // namespace
}    // namespace lull
