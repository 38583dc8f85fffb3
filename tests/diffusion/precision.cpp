// A U-Net in bf16 with f32 masters, through training and sampling.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "diffusion/objective.h"
#include "engine/ops/copy/copy.h"
#include "engine/threads.h"
#include "nn/checkpoint.h"
#include "nn/init.h"
#include "nn/trainer.h"
#include "nn/unet.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using test::same_bits;

const UNetConfig kTiny{.channels = {8, 16}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 4, .groups = 4};

// Squares of one brightness on darkness, somewhere: image p is a function of p.
Tensor images_at(Positions positions) {
    std::vector<double> pixels;
    for (const std::uint64_t p : positions) {
        const RandomStream random{4, Purpose::data, p};
        const int top = static_cast<int>(5 * random.uniform(0)), left = static_cast<int>(5 * random.uniform(1));
        for (int i = 0; i < 64; ++i) {
            const int y = i / 8 - top, x = i % 8 - left;
            pixels.push_back(y >= 0 && y < 4 && x >= 0 && x < 4 ? 1 : -1);
        }
    }
    return from_values(pixels, {static_cast<std::int64_t>(positions.size()), 8, 8, 1});
}

struct Run {
    DType precision;
    UNet unet{kTiny};
    Parameters parameters{(initialise_lesson(unet, 1), unet)};
    AdamW optimizer{{.beta2 = 0.99, .eps = 1e-5, .max_norm = 1}};
    EdmPreconditioner edm{.sigma_data = 0.87};
    std::vector<double> losses = {};

    void train(std::int64_t steps, std::int64_t first = 0) {
        const auto loss = [this](Positions p) {
            const Tensor y = images_at(p);
            return denoising_loss(network_of(unet, precision), edm, y, add_noise(y, {}, 2, p)).loss;
        };
        lull::train(parameters, optimizer, loss,
                    {.steps = steps, .first_step = first, .batch = 16, .schedule = OneCycle{4e-3, 40}},
                    {{.run = [this](const TrainedStep& s) { losses.push_back(s.loss); }}});
    }
};

TEST_CASE("in bf16 the loss falls as it does in f32") {
    Run f32{DType::f32}, bf16{DType::bf16};
    f32.train(40);
    bf16.train(40);
    REQUIRE(bf16.losses.size() == 40);
    // Each weight and each layer's result is off by up to 2^-9: the loss by no more than a few times that at first, and the
    // two runs drift apart slowly, far less than one of them learns.
    CHECK(bf16.losses[0] == doctest::Approx(f32.losses[0]).epsilon(0.01));
    for (std::size_t i = 0; i < 40; ++i) CHECK(bf16.losses[i] == doctest::Approx(f32.losses[i]).epsilon(0.1));
    CHECK(bf16.losses.back() < 0.85 * bf16.losses.front());
    CHECK_FALSE(same_bits(bf16.parameters.weights, f32.parameters.weights));
    CHECK(bf16.parameters.weights.dtype() == DType::f32);
}

TEST_CASE("in bf16 the masters' gradients are near those in f32") {
    Run f32{DType::f32}, bf16{DType::bf16};
    for (Run* run : {&f32, &bf16}) run->train(5);
    copy(f32.parameters.weights, bf16.parameters.weights);
    const std::vector<std::uint64_t> positions = {100, 101, 102, 103, 104, 105, 106, 107};
    for (Run* run : {&f32, &bf16}) {
        const Tensor y = images_at(positions);
        run->parameters.begin_step();
        denoising_loss(network_of(run->unet, run->precision), run->edm, y, add_noise(y, {}, 2, positions)).loss.backward();
        run->parameters.finish_step();
    }
    const auto a = f32.parameters.gradients.values(), b = bf16.parameters.gradients.values();
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        length += a[i] * a[i];
    }
    CHECK(std::sqrt(difference / length) < 0.02);    // a few tens of roundings of 2^-9 = 0.002 on the way down and back
    CHECK(difference > 0);
}

TEST_CASE("training in bf16 has the same bits with any number of threads, and after a pause") {
    const test::TemporaryFolder folder;
    const int before = thread_count();
    set_thread_count(1);
    Run whole{DType::bf16}, first{DType::bf16}, second{DType::bf16};
    whole.train(6);
    set_thread_count(3);
    first.train(3);
    save_training_state(folder / "state.safetensors", first.parameters, first.optimizer, {});
    set_thread_count(2);
    load_training_state(folder / "state.safetensors", second.parameters, second.optimizer);
    second.train(6, 3);
    set_thread_count(before);
    CHECK(same_bits(second.parameters.weights, whole.parameters.weights));
    CHECK(same_bits(second.parameters.ema, whole.parameters.ema));
}

TEST_CASE("a denoiser in bf16 is near the one in f32, answers in x's type, and an image's bits are its own") {
    Run run{DType::f32};
    run.train(20);
    const UNet averaged = run.parameters.averaged(run.unet);
    const Denoiser exact = denoiser(network_of(averaged), run.edm);
    const Denoiser rounded = denoiser(network_of(averaged, DType::bf16), run.edm);
    const Tensor x = random_normal({5, 8, 8, 1}, {6, Purpose::data, 0});
    const Tensor D = rounded(x, 0.8);
    CHECK(D.dtype() == DType::f32);
    CHECK(test::relative_error(D, exact(x, 0.8)) < 0.02);
    CHECK_FALSE(same_bits(D, exact(x, 0.8)));
    CHECK(same_bits(rounded(x.slice(0, 3, 4).contiguous(), 0.8), D.slice(0, 3, 4)));
}

TEST_CASE("U-Nets with other settings compute in bf16, too") {
    UNetConfig fourier = kTiny;
    fourier.time_embedding = TimeEmbeddingType::fourier;
    UNetConfig conditional = kTiny;
    conditional.class_embed = ClassEmbedType::table;
    conditional.classes = 3;
    conditional.scale_shift = true;
    for (const UNetConfig& config : {fourier, conditional}) {
        UNet unet(config);
        initialise_pytorch(unet, 3);
        const Tensor x = random_normal({2, 8, 8, 1}, {6, Purpose::data, 0}), time = from_values({0.3, 2}, {2});
        const Tensor labels = config.classes > 0 ? from_values({2, 0}, {2}, DType::i32) : Tensor();
        const Tensor exact = network_of(unet, DType::f32, labels)(x, time);
        CHECK(test::relative_error(network_of(unet, DType::bf16, labels)(x, time), exact) < 0.02);
    }
}

}    // namespace
}    // namespace lull
