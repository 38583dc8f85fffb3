// Training and sampling on CUDA against the CPU: the loss in one pass, ten steps of a U-Net, a run that goes on, samplers.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "diffusion/objective.h"
#include "diffusion/samplers.h"
#include "engine/cuda/runtime.h"
#include "nn/checkpoint.h"
#include "nn/data/image_dataset.h"
#include "nn/init.h"
#include "nn/trainer.h"
#include "nn/unet.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using test::same_bits;

const UNetConfig kTiny{.channels = {8, 16}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 8, .groups = 4};

// 16 pictures of 8×8: squares of one brightness on darkness.
ImageDataset squares() {
    std::vector<double> bytes;
    for (int n = 0; n < 16; ++n)
        for (int i = 0; i < 64; ++i) {
            const int y = i / 8 - n % 4, x = i % 8 - n / 4;
            bytes.push_back(y >= 0 && y < 4 && x >= 0 && x < 4 ? 255 : 0);
        }
    return {.name = "squares", .pixels = from_values(bytes, {16, 8, 8, 1}, DType::u8)};
}

struct Run {
    Device device;
    DType precision = DType::f32;
    ImageDataset data = squares().to(device);
    UNet unet{kTiny};
    Parameters parameters{(initialise_lesson(unet, 1), unet), device};
    AdamW optimizer{{.beta2 = 0.99, .eps = 1e-5, .max_norm = 1}};
    EdmPreconditioner edm{.sigma_data = 0.87};
    std::vector<double> losses = {};

    DenoisingLoss loss(Positions positions) const {
        const Tensor y = TrainingStream{.seed = 2, .flip = true}.batch(data, positions).images;
        return denoising_loss(network_of(unet, precision), edm, y, LogNormal{}, 2, positions);
    }
    void train(std::int64_t steps, std::int64_t first = 0) {
        lull::train(
            parameters, optimizer, [this](Positions p) { return loss(p).loss; },
            {.steps = steps, .first_step = first, .batch = 4, .schedule = OneCycle{4e-3, std::max<std::int64_t>(10, steps)}},
            {{.run = [this](const TrainedStep& s) { losses.push_back(s.loss); }}});
    }
};

double length(const Tensor& x) {
    double sum = 0;
    for (const double value : x.values()) sum += value * value;
    return std::sqrt(sum);
}

}    // namespace

// 1e-5: the input's and the target's roundings, in another order, and the network's.
TEST_CASE("the loss in one pass on CUDA is the CPU's, for every preconditioner") {
    if (!cuda::available()) return;
    const std::vector<std::uint64_t> positions = {5, 6, 7, 8, 9};
    const Tensor y = TrainingStream{.seed = 2}.batch(squares(), positions).images;
    // A network that needs both of its inputs.
    const Network network = [](const Tensor& x, const Tensor& c_noise) { return x * c_noise.reshape({-1, 1, 1, 1}); };
    for (const Preconditioner& p :
         {Preconditioner{EdmPreconditioner{.sigma_data = 0.87, .mean = -0.3}}, Preconditioner{EpsPreconditioner{}},
          Preconditioner{VPreconditioner{.mean = 0.1}}, Preconditioner{VePreconditioner{}}}) {
        CAPTURE(p.index());
        const DenoisingLoss here = denoising_loss(network, p, y, LogNormal{}, 2, positions);
        const DenoisingLoss there = denoising_loss(network, p, y.to(Device::cuda), LogNormal{}, 2, positions);
        CHECK(there.loss.item() == doctest::Approx(here.loss.item()).epsilon(1e-5));
        CHECK(test::relative_error(there.per_image, here.per_image) < 1e-5);
        CHECK(there.sigma.values() == here.sigma.values());
    }
}

// Both sides round to f32 in another order, 1e-7 of each value, and AdamW's steps are as large for small gradients as for
// large ones: of what ten steps have moved the weights by, a thousandth may differ.
TEST_CASE("ten training steps of a U-Net on CUDA are the CPU's") {
    if (!cuda::available()) return;
    Run here{Device::cpu}, there{Device::cuda};
    const Tensor start = here.parameters.weights.clone();
    here.train(10);
    there.train(10);
    REQUIRE(there.losses.size() == 10);
    for (std::size_t i = 0; i < 10; ++i) CHECK(there.losses[i] == doctest::Approx(here.losses[i]).epsilon(1e-4));
    const Tensor weights = there.parameters.weights.to(Device::cpu);
    CHECK(length(weights - here.parameters.weights) < 1e-3 * length(here.parameters.weights - start));
    CHECK(there.optimizer.steps == 10);

    Run again{Device::cuda};
    again.train(10);
    CHECK(same_bits(again.parameters.weights, there.parameters.weights));    // from run to run
    CHECK(again.losses == there.losses);
}

#ifndef LULL_CUDA_HOST    // where the kernels are executed on the CPU this would take an hour
// Roundings grow while a network learns: after 200 steps of M32, losses in PyTorch's two layouts had parted by 3%.
TEST_CASE("the losses of two hundred training steps on CUDA stay with the CPU's") {
    if (!cuda::available()) return;
    constexpr std::size_t kSteps = 200, kMean = 20;
    for (const DType precision : {DType::f32, DType::bf16}) {
        CAPTURE(precision);
        Run here{Device::cpu}, there{Device::cuda, precision};
        here.train(kSteps);
        there.train(kSteps);
        for (std::size_t first = 0; first < kSteps; first += kMean) {
            CAPTURE(first);
            const auto mean = [&](const Run& run) {
                const auto from = run.losses.begin() + static_cast<std::ptrdiff_t>(first);
                return std::accumulate(from, from + kMean, 0.0) / kMean;
            };
            CHECK(mean(there) == doctest::Approx(mean(here)).epsilon(0.05));
        }
        CHECK(here.losses.back() < here.losses.front() / 2);
    }
}
#endif

// As on the CPU: the first loss is off by a few roundings of 2^-9, and the runs drift apart far less than one of them learns.
TEST_CASE("in bf16 on CUDA the loss falls as it does in f32") {
    if (!cuda::available()) return;
    Run f32{Device::cpu}, bf16{Device::cuda, DType::bf16};
    f32.train(10);
    bf16.train(10);
    CHECK(bf16.losses[0] == doctest::Approx(f32.losses[0]).epsilon(0.01));
    for (std::size_t i = 0; i < 10; ++i) CHECK(bf16.losses[i] == doctest::Approx(f32.losses[i]).epsilon(0.05));
    CHECK(bf16.parameters.weights.dtype() == DType::f32);
}

TEST_CASE("a run on CUDA that is saved and goes on there is bit for bit the run that was not") {
    if (!cuda::available()) return;
    for (const DType precision : {DType::f32, DType::bf16}) {
        CAPTURE(precision);
        const test::TemporaryFolder folder;
        Run whole{Device::cuda, precision}, first{Device::cuda, precision}, second{Device::cuda, precision};
        whole.train(4);
        first.train(2);
        save_training_state(folder / "state.safetensors", first.parameters, first.optimizer, {});
        load_training_state(folder / "state.safetensors", second.parameters, second.optimizer);
        second.train(4, 2);
        CHECK(same_bits(second.parameters.weights, whole.parameters.weights));
        CHECK(same_bits(second.parameters.ema, whole.parameters.ema));
        CHECK(same_bits(second.parameters.second_moment, whole.parameters.second_moment));
    }
}

TEST_CASE("a loss that is not finite stops a run on CUDA at its step and leaves the weights of the step before") {
    if (!cuda::available()) return;
    Run run{Device::cuda}, reference{Device::cuda};
    const auto breaks = [&](Positions positions) {
        const Tensor loss = run.loss(positions).loss;
        return positions.front() == 2 * 4 ? loss * std::nan("") : loss;
    };
    CHECK_THROWS_AS(lull::train(run.parameters, run.optimizer, breaks, {.steps = 10, .batch = 4, .schedule = OneCycle{4e-3, 10}}),
                    NotFinite);
    reference.train(2);
    CHECK(same_bits(run.parameters.weights, reference.parameters.weights));
    CHECK(same_bits(run.parameters.ema, reference.parameters.ema));
    CHECK(run.optimizer.steps == 2);
}

// 1e-4 of the largest pixel: a few evaluations of a U-Net, each within 1e-4 of its largest value where it enters undamped.
TEST_CASE("samplers on CUDA draw the CPU's images") {
    if (!cuda::available()) return;
    Run run{Device::cpu};
    run.train(10);
    const UNet averaged = run.parameters.averaged(run.unet);
    const std::vector<std::uint64_t> seeds = {4, 9};
    const std::vector<double> sigmas = karras_sigmas(4);
    const auto draw = [&](Device device) {
        const Denoiser D = denoiser(network_of(moved(averaged, device)), run.edm);
        const Tensor x = start_noise(seeds, {8, 8, 1}, sigmas.front(), DType::f32, device);
        return sample_heun(D, x, sigmas, {.s_churn = 2}, {.seeds = seeds});
    };
    const Tensor there = draw(Device::cuda);
    CHECK(there.device() == Device::cuda);
    CHECK(test::relative_error(there, draw(Device::cpu)) < 1e-4);
}

}    // namespace lull
