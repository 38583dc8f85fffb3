#include "diffusion/objective.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"
#include "nn/data/fashion_mnist.h"
#include "tests/support/compare.h"

namespace lull {
namespace {

using Places = std::vector<std::uint64_t>;

// Images of independent pixels N(mean, std²).
Tensor synthetic(const Shape& shape, double mean, double std) {
    return mean + std * random_normal(shape, {.seed = 11}, DType::f64);
}

double standard_deviation(const Tensor& x) { return std::sqrt(mean(sq(x - mean(x))).item()); }

}    // namespace

TEST_CASE("noise depends on the seed and the place in the stream, not on the batch, bit for bit") {
    const Tensor y = synthetic({5, 4, 4, 1}, 0, 0.5).to(DType::f32);
    const NoisyImages all = add_noise(y, {}, 3, Places{20, 21, 22, 23, 24});
    const NoisyImages part = add_noise(y.slice(0, 2, 4), {}, 3, Places{22, 23});
    CHECK(all.x.slice(0, 2, 4).values() == part.x.values());
    CHECK(all.sigma.slice(0, 2, 4).values() == part.sigma.values());
    CHECK(add_noise(y, {}, 4, Places{20, 21, 22, 23, 24}).x.values() != all.x.values());
}

TEST_CASE("noise has the level that is said of it") {
    const Tensor y = synthetic({6, 32, 32, 1}, 0, 0.5);
    const NoisyImages noisy = add_noise(y, {}, 1, Places{0, 1, 2, 3, 4, 5});
    const std::vector<double> variance = mean(sq((noisy.x - y) / noisy.sigma), {1, 2, 3}).values();
    for (const double v : variance) CHECK(std::abs(v - 1) < 4 * std::sqrt(2.0 / 1024));    // four standard errors
}

TEST_CASE("the loss is the weighted distance between D and the clean images, whatever the network answers") {
    const Network network = [](const Tensor& x, const Tensor& c_noise) { return tanh(x) * c_noise.reshape({-1, 1, 1, 1}); };
    const Tensor y = synthetic({4, 3, 5, 2}, -0.3, 0.6);
    const NoisyImages noisy = add_noise(y, {}, 1, Places{0, 1, 2, 3});
    for (const Preconditioner& p :
         {Preconditioner(EdmPreconditioner{.sigma_data = 0.6, .mean = -0.3}), Preconditioner(EpsPreconditioner{.mean = -0.3}),
          Preconditioner(VPreconditioner{}), Preconditioner(VePreconditioner{})}) {
        CAPTURE(Named<Preconditioner>::name_of(p));
        const DenoisingLoss loss = denoising_loss(network, p, y, noisy);
        const Tensor D = denoise(network, p, noisy.x, noisy.sigma);
        const Tensor lambda = each(noisy.sigma, [&](double sigma) { return weight(p, sigma); });
        const Tensor weighted = mean(lambda * sq(D - y), {1, 2, 3});
        const std::vector<double> ours = loss.per_image.values(), expected = weighted.values();
        CHECK(loss.per_image.shape() == Shape{4, 1, 1, 1});
        // λ multiplies the rounding of a difference of nearly equal numbers: 1e-10 in f64 at the σ drawn here.
        for (std::size_t i = 0; i < ours.size(); ++i) CHECK(ours[i] == doctest::Approx(expected[i]).epsilon(1e-10));
        CHECK(loss.loss.item() == doctest::Approx(mean(weighted).item()).epsilon(1e-10));
    }
}

TEST_CASE("an ε-network is to answer the noise, at the smallest noise level too, and a v-network v") {
    const Tensor y = synthetic({2, 3, 3, 1}, 0, 0.6).to(DType::f32), n = random_normal(y.shape(), {.seed = 12});
    for (const double level : {1e-9, 1e-4, 0.5, 600.0}) {
        CAPTURE(level);
        const Tensor sigma = full({2, 1, 1, 1}, level);
        const NoisyImages noisy{y + sigma * n, sigma, n};
        CHECK(test::relative_error(network_target(EpsPreconditioner{}, y, noisy), n) < 3e-7);    // three roundings of f32
        CHECK(test::relative_error(network_target(VePreconditioner{}, y, noisy), -n) < 3e-7);
        const double signal = 1 / std::sqrt(1 + sq(level)), noise = level * signal;    // √ᾱ, √(1-ᾱ)
        // 1 - c_skip, rounded by 6e-8, is divided by σ: at most √6e-8.
        CHECK(test::relative_error(network_target(VPreconditioner{}, y, noisy), signal * n - noise * y) < 2.5e-4);
    }
}

TEST_CASE("the loss's gradient reaches the network's weights") {
    const EdmPreconditioner edm{.sigma_data = 0.6};
    const Tensor y = synthetic({4, 3, 3, 1}, 0, 0.6);
    const NoisyImages noisy = add_noise(y, {}, 1, Places{0, 1, 2, 3});
    Tensor weight = scalar(0.3, DType::f64);
    weight.requires_grad();
    const DenoisingLoss loss = denoising_loss([&](const Tensor& x, const Tensor&) { return weight * x; }, edm, y, noisy);
    CHECK(!loss.per_image.has_gradient());
    loss.loss.backward();

    const Tensor input = edm.c_in(noisy.sigma) * noisy.x;    // d/dw mean (w i - t)² = 2 mean (w i - t) i
    const Tensor expected = 2 * mean((0.3 * input - network_target(edm, y, noisy)) * input);
    CHECK(weight.grad().item() == doctest::Approx(expected.item()).epsilon(1e-12));
}

TEST_CASE("the network's input and target have unit variance at every noise level") {
    const EdmPreconditioner edm{.sigma_data = 0.6};
    const Tensor y = synthetic({8, 64, 64, 1}, 0, 0.6), n = random_normal(y.shape(), {.seed = 12}, DType::f64);
    for (const double level : {0.002, 0.1, 0.6, 2.0, 80.0}) {
        CAPTURE(level);
        const Tensor sigma = full({8, 1, 1, 1}, level, DType::f64);
        const NoisyImages noisy{y + sigma * n, sigma, n};
        // Four standard errors over 32,768 pixels.
        CHECK(std::abs(standard_deviation(edm.c_in(sigma) * noisy.x) - 1) < 4 / std::sqrt(2.0 * 32768));
        CHECK(std::abs(standard_deviation(network_target(edm, y, noisy)) - 1) < 4 / std::sqrt(2.0 * 32768));
    }
}

TEST_CASE("on Fashion-MNIST the network's input and target have the lesson's standard deviations") {
    if (!has_fashion_mnist()) {
        MESSAGE("[skipped] the package dataset-fashion-mnist is not installed");
        return;
    }
    const ImageDataset data = fashion_mnist(Split::train);
    const Statistics statistics = data.statistics();
    CHECK(statistics.std == doctest::Approx(0.6636).epsilon(1e-4));
    CHECK(statistics.mean == doctest::Approx(-0.5620).epsilon(1e-4));

    // Over 20,000 images, each with a σ and noise of its own, in batches: standard deviations of c_in x and of the target.
    const auto spread = [&](const EdmPreconditioner& edm) {
        double input_sum = 0, input_squares = 0, target_sum = 0, target_squares = 0;
        constexpr int kBatch = 1000, kBatches = 20;
        for (int b = 0; b < kBatches; ++b) {
            Places places(kBatch);
            std::iota(places.begin(), places.end(), b * kBatch);
            const Tensor y = TrainingStream{}.batch(data, places).images;
            const NoisyImages noisy = add_noise(y, {}, 0, places);
            const Tensor input = edm.c_in(noisy.sigma) * (noisy.x - edm.mean), target = network_target(edm, y, noisy);
            input_sum += mean(input).item() / kBatches;
            input_squares += mean(sq(input)).item() / kBatches;
            target_sum += mean(target).item() / kBatches;
            target_squares += mean(sq(target)).item() / kBatches;
        }
        return std::pair{std::sqrt(input_squares - sq(input_sum)), std::sqrt(target_squares - sq(target_sum))};
    };
    // As they are, the images' mean is scaled up and down by σ's coefficients: the exact expectations over σ are 1.0187 and
    // 1.0304, the lesson's 1.02 and 1.03. Images differ in contrast: the squares of one spread by half their mean, a
    // standard error of at most 0.0018 over 20,000.
    const auto [input, target] = spread({.sigma_data = statistics.std});
    CHECK(std::abs(input - 1.0187) < 0.004);
    CHECK(std::abs(target - 1.0304) < 0.004);
    // Without it, both are 1.
    const auto [centred_input, centred_target] = spread({.sigma_data = statistics.std, .mean = statistics.mean});
    CHECK(std::abs(centred_input - 1) < 0.004);
    CHECK(std::abs(centred_target - 1) < 0.004);
}

TEST_CASE("taking the mean out makes no difference but for the mean") {
    const EdmPreconditioner plain{.sigma_data = 0.6}, centred{.sigma_data = 0.6, .mean = -0.5};
    const Tensor y = synthetic({4, 3, 3, 1}, 0, 0.6);
    const NoisyImages noisy = add_noise(y, {}, 1, Places{0, 1, 2, 3});
    const std::vector<double> a = network_target(plain, y, noisy).values();
    const std::vector<double> b = network_target(centred, y - 0.5, {noisy.x - 0.5, noisy.sigma, noisy.n}).values();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-11));
}

TEST_CASE("shapes that do not agree are errors") {
    const Tensor y = ones({2, 3, 3, 1});
    CHECK_THROWS_WITH_AS(
        add_noise(y, {}, 1, Places{1}),
        "[add_noise] expected images (N, H, W, C) and N positions in the stream, got f32 (2, 3, 3, 1) and 1 positions", Error);
    CHECK_THROWS_AS(add_noise(ones({2, 3}), {}, 1, Places{1, 2}), Error);
    const NoisyImages noisy = add_noise(y, {}, 1, Places{1, 2});
    const Network same = [](const Tensor& x, const Tensor&) { return x; };
    CHECK_THROWS_AS(denoising_loss(same, EdmPreconditioner{}, ones({2, 3, 1, 1}), noisy), Error);
    CHECK_THROWS_AS(denoising_loss(
                        [](const Tensor& x, const Tensor&) {
                            return zeros({x.size(0), 1, 1, 1});
                        },
                        EdmPreconditioner{}, y, noisy),
                    Error);
}

}    // namespace lull
