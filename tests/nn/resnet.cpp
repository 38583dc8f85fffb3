#include "nn/resnet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/cross_entropy/cross_entropy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/threads.h"
#include "nn/checkpoint.h"
#include "nn/init.h"
#include "nn/trainer.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

// f32 against PyTorch's f64, relative to a tensor's largest element: a few layers of roundings of 6e-8, magnified where few
// values are normalised. A biased running variance, a wrong eps or pooling shows as 1e-2 or more.
constexpr double kTolerance = 1e-4;

ResNet small(double dropout = 0) {
    ResNet net({.channels = {4, 8, 8}, .outputs = 3, .height = 7, .width = 5, .dropout = dropout});
    initialise_he(net, 2);
    return net;
}

std::vector<RandomStream> streams(std::int64_t images, std::uint64_t seed = 0) {
    std::vector<std::uint64_t> positions;
    for (std::int64_t n = 0; n < images; ++n) positions.push_back(static_cast<std::uint64_t>(n));
    return dropout_streams(seed, positions);
}

TEST_CASE("the ResNet computes what PyTorch computes, forward and every gradient, in training and in evaluation") {
    const auto file = load_safetensors(test::source_dir() / "tests/golden/resnet.safetensors").tensors;
    Checkpoint weights;
    for (const auto& [key, tensor] : file)
        if (key.starts_with("weights/")) weights.tensors[key.substr(8)] = tensor;
    ResNet net = small();
    Parameters parameters(net);
    load_weights(net, weights);

    for (const std::string mode : {"eval", "train"}) {
        CAPTURE(mode);
        const auto expected = [&](const std::string& key) { return from_pytorch_layout(file.at(mode + '/' + key)); };
        Tensor x = from_pytorch_layout(file.at("x"));
        x.requires_grad();
        const Tensor out = mode == "train" ? net.train(x, streams(3)) : net(x);
        CHECK(test::relative_error(out, expected("out")) < kTolerance);
        parameters.begin_step();
        sum(out * file.at("grad_out")).backward();
        parameters.finish_step();
        CHECK(test::relative_error(x.grad(), expected("grad_x")) < kTolerance);
        for (const Parameter& p : parameters.list()) {
            CAPTURE(p.name);
            CHECK(test::relative_error(Parameters::slice(parameters.gradients, p), expected("grads/" + p.name)) < kTolerance);
        }
    }
    for (const Parameter& buffer : parameters.buffers()) {
        CAPTURE(buffer.name);
        CHECK(test::relative_error(buffer.tensor, file.at("after/" + buffer.name)) < 1e-5);
    }
}

TEST_CASE("the lesson's network ends in one pixel of 512 features") {
    const ResNet net({});
    CHECK(net.config.features() == 512);
    CHECK(net.blocks.size() == 5);
    CHECK_FALSE(net.linear.bias.defined());
    CHECK(net.stem.conv1.weight.shape() == Shape{16, 5, 5, 1});
    CHECK(ResNetConfig{.height = 28, .width = 28}.features() == 512);    // 28, 14, 7, 4, 2, 1
    const NoGrad none;
    CHECK(net(zeros({2, 32, 32, 1})).shape() == Shape{2, 1});
}

TEST_CASE("in evaluation an image's output has the same bits in any batch and with any number of threads") {
    const ResNet net = small(0.5);
    const Tensor x = random_normal({6, 7, 5, 1}, {1, Purpose::data, 0});
    net.train(x, streams(6));    // statistics that are not the initial ones
    const Tensor all = net(x);
    CHECK(test::same_bits(net(x.slice(0, 4, 5).contiguous()), all.slice(0, 4, 5)));
    const int before = thread_count();
    set_thread_count(3);
    CHECK(test::same_bits(net(x), all));
    set_thread_count(before);
}

TEST_CASE("dropout is a function of the seed and of the images' places in the stream") {
    const Tensor x = random_normal({6, 7, 5, 1}, {1, Purpose::data, 0});
    const Tensor first = small(0.5).train(x, streams(6));
    CHECK(test::same_bits(small(0.5).train(x, streams(6)), first));
    CHECK_FALSE(test::same_bits(small(0.5).train(x, streams(6, 1)), first));
    CHECK_FALSE(test::same_bits(small(0).train(x, streams(6)), first));
}

TEST_CASE("He's initialisation gives filters the deviation that a leaky ReLU keeps") {
    ResNet net({});
    initialise_he(net, 3);
    const Tensor& w = net.blocks[2].conv2.weight;    // (128, 3, 3, 128)
    const double wanted = std::sqrt(2 / (1.01 * 9 * 128));
    CHECK(std::sqrt(mean(sq(w)).item()) == doctest::Approx(wanted).epsilon(4 / std::sqrt(2. * 9 * 128 * 128)));
    CHECK(test::largest(net.stem.norm1.bias) == 0);
    CHECK(test::largest(net.linear.weight) <= 1 / std::sqrt(512.));
    ResNet again({});
    initialise_he(again, 3);
    CHECK(test::same_bits(again.blocks[2].conv2.weight, w));
}

// 12 × 12 images of a bar that lies, a bar that stands, a filled square and a frame, somewhere and of some brightness.
struct Picture {
    Tensor image;
    int label;
};

Picture picture(std::uint64_t position) {
    const RandomStream random{11, Purpose::data, position};
    const int label = static_cast<int>(4 * random.uniform(0));
    const int top = static_cast<int>(7 * random.uniform(1)), left = static_cast<int>(7 * random.uniform(2));
    const int height = label == 0 ? 2 : 6, width = label == 1 ? 2 : 6;
    std::vector<double> pixels(144);
    for (int i = 0; i < 144; ++i) {
        const int y = i / 12 - top, x = i % 12 - left;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        const bool hollow = label == 3 && y > 0 && y < 5 && x > 0 && x < 5;
        const auto at = static_cast<std::uint32_t>(4 + i);
        pixels[static_cast<std::size_t>(i)] = (inside && !hollow ? 0.5 + random.uniform(3) : 0) + 0.2 * random.normal(at);
    }
    return {from_values(pixels, {1, 12, 12, 1}), label};
}

struct Pictures {
    Tensor images, labels;
};

Pictures pictures(Positions positions) {
    std::vector<Tensor> images;
    std::vector<double> labels;
    for (const std::uint64_t p : positions) {
        const Picture one = picture(p);
        images.push_back(one.image);
        labels.push_back(one.label);
    }
    return {concat(images, 0), from_values(labels, {static_cast<std::int64_t>(labels.size())}, DType::i32)};
}

TEST_CASE("the classifier learns to tell shapes, and the average of its weights does so on new ones") {
    ResNet net({.channels = {8, 16, 16}, .outputs = 4, .height = 12, .width = 12});
    initialise_he(net, 0);
    Parameters parameters(net);
    AdamW optimizer;
    std::vector<double> losses;
    const auto loss = [&](Positions p) {
        const auto [images, labels] = pictures(p);
        return cross_entropy(net.train(images, dropout_streams(0, p)), labels);
    };
    train(parameters, optimizer, loss, {.steps = 80, .batch = 32, .schedule = OneCycle{1e-2, 80}},
          {{.run = [&](const TrainedStep& s) { losses.push_back(s.loss); }}});
    CHECK(losses.front() > 1);    // ln 4 = 1.39 by chance

    const NoGrad none;
    std::vector<std::uint64_t> unseen(200);
    for (std::size_t i = 0; i < unseen.size(); ++i) unseen[i] = 1'000'000 + i;
    const auto [images, labels] = pictures(unseen);
    const auto logits = parameters.averaged(net)(images).values(), truth = labels.values();
    int right = 0;
    for (std::size_t n = 0; n < unseen.size(); ++n) {
        const auto row = logits.begin() + static_cast<std::ptrdiff_t>(4 * n);
        right += static_cast<double>(std::max_element(row, row + 4) - row) == truth[n];
    }
    CHECK(right >= 190);    // 50 by chance
}

TEST_CASE("a ResNet's config survives JSON, and wrong ones and wrong images are refused") {
    const ResNetConfig config{.in_channels = 3, .channels = {8, 16}, .outputs = 10, .height = 9, .width = 4, .dropout = 0.5};
    CHECK(resnet_config_from_json(to_json(config)) == config);
    CHECK_THROWS_AS(resnet_config_from_json({{"outputs", 3}}), Error);
    CHECK(test::error_of([] { ResNet({.channels = {}}); }) ==
          "[resnet] expected 1 to 16 numbers of channels of 1 to 65536, got []");
    CHECK(test::error_of([] { ResNet({.dropout = 1}); }) == "[resnet] expected a dropout in [0, 1), got 1");
    CHECK(test::error_of([] { ResNetConfig({.channels = {3}, .height = 32768, .width = 32768}).validate(); }) ==
          "[resnet] expected at most 2147483647 features to be left of 32768×32768 pixels, got 3221225472: more numbers of "
          "channels halve the image more often");
    CHECK_NOTHROW(ResNetConfig({.channels = {1}, .height = 32767, .width = 65536}).validate());
    for (const double wrong : {std::nan(""), HUGE_VAL}) {
        CHECK(test::error_of([&] { ResNetConfig({.slope = wrong}).validate(); }).starts_with("[resnet] expected a finite slope"));
        CHECK_THROWS_AS(ResNetConfig({.shift = wrong}).validate(), Error);
    }
    const ResNet net = small();
    CHECK(test::error_of([&] { net(zeros({2, 7, 6, 1})); }) == "[resnet] expected x (N, 7, 5, 1), got f32 (2, 7, 6, 1)");
    CHECK_THROWS_AS(net.train(zeros({2, 7, 5, 1}), streams(1)), Error);
}

}    // namespace
}    // namespace lull
