#include "diffusion/adaptive.h"

#include <doctest/doctest.h>

#include <cmath>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/sigmas.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/compare.h"

namespace lull {
namespace {

using Seeds = std::vector<std::uint64_t>;
const Shape kImage{4, 8, 1};

const GaussianMixture& mixture() {
    static const GaussianMixture mixture({{.weight = 0.6, .mean = std::vector<double>(32, 0.5), .std = 0.3},
                                          {.weight = 0.4, .mean = std::vector<double>(32, -0.7), .std = 0.1}});
    return mixture;
}

// Data of a single image, black: the noise is all that there is to see.
Tensor black(const Tensor& x, const Tensor&) { return zeros_like(x); }
std::vector<double> rms(const Tensor& x, const Tensor&) { return sqrt(mean(sq(x), {1, 2, 3})).values(); }

Tensor start(const Seeds& seeds, double sigma) { return start_noise(seeds, kImage, sigma, DType::f64); }

}    // namespace

TEST_CASE("with an exact predictor it is Euler's method on EDM's grid") {
    const NoiseEstimator estimate = estimator([](const Tensor&, const Tensor& sigma) { return sigma.values(); }, {});
    for (const int steps : {1, 2, 9}) {
        const auto [x, evaluations] =
            sample_adaptive(mixture().per_image_denoiser(), estimate, start({0, 1, 2}, 80), {.steps = steps});
        CHECK(test::absolute_error(x, sample_euler(mixture().denoiser(), start({0, 1, 2}, 80), karras_sigmas(steps))) < 1e-9);
        CHECK(evaluations == std::vector<int>{steps, steps, steps});
    }
}

TEST_CASE("an image with less noise than the sampler thinks takes fewer steps, and one with more takes more") {
    const Tensor images[]{start({0}, 80), start({1}, 1), start({2}, 300), start({3}, 0.001)};
    const NoiseEstimator estimate = estimator(rms, {.clamp = LevelClamp::none});
    std::vector<double> rounds;
    const Sampling run{.on_step = [&](int, double sigma, const Tensor&) {
        rounds.push_back(sigma);
        return true;
    }};
    const auto [x, evaluations] = sample_adaptive(black, estimate, concat(images, 0), {.steps = 18}, run);
    CHECK(test::largest(x) < 1e-12);
    CHECK(evaluations[1] < evaluations[0]);
    CHECK(evaluations[0] < evaluations[2]);
    CHECK(evaluations[3] == 1);
    CHECK(std::abs(evaluations[0] - 18) <= 1);    // its rms is not exactly 80
    CHECK(rounds.size() == static_cast<std::size_t>(evaluations[2]));
    CHECK(rounds.back() == 0);
    CHECK(std::is_sorted(rounds.rbegin(), rounds.rend()));
}

TEST_CASE("it stops where the predictor sees no progress, and after so many evaluations") {
    const auto five = [](const Tensor& x, const Tensor&) { return std::vector<double>(static_cast<std::size_t>(x.size(0)), 5); };
    // Whatever the clamp: one around what the last step was to reach makes σ̂ fall from 40 or so down to 5 and below, but not the
    // answer. And with a predictor that sees no noise at all, σ̂ falls from the start.
    for (const LevelClamp clamp : {LevelClamp::none, LevelClamp::schedule, LevelClamp::median})
        for (const LevelForm form : {LevelForm::sigma, LevelForm::alpha_bar}) {
            CAPTURE(static_cast<int>(clamp));
            CAPTURE(static_cast<int>(form));
            const auto cleanest = [&](const Tensor& x, const Tensor& sigma) {
                std::vector<double> answers = five(x, sigma);
                for (double& answer : answers) answer = 0.001;
                return answers;
            };
            const NoiseEstimator stuck = estimator(five, {.form = form, .clamp = clamp});
            CHECK(sample_adaptive(black, stuck, start({0, 1}, 80), {.patience = 2}).evaluations == std::vector<int>{3, 3});
            const NoiseEstimator clean = estimator(cleanest, {.form = form, .clamp = clamp});
            CHECK(sample_adaptive(black, clean, start({0}, 80), {.patience = 2}).evaluations.front() <= 3);
        }
    const NoiseEstimator stuck = estimator(five, {.clamp = LevelClamp::none});
    CHECK(sample_adaptive(black, stuck, start({0, 1}, 80), {.patience = 2}).evaluations == std::vector<int>{3, 3});
    CHECK(sample_adaptive(black, stuck, start({0}, 80), {.patience = 100, .most = 7}).evaluations == std::vector<int>{7});
    CHECK(sample_adaptive(black, stuck, start({0}, 80), {.steps = 6, .patience = 100}).evaluations == std::vector<int>{12});
    CHECK_THROWS_AS(sample_adaptive(black, stuck, start({0}, 80), {.patience = 0}), Error);
}

TEST_CASE("an image goes its way whichever images go beside it") {
    const NoiseEstimator estimate = estimator(rms, {});
    const auto D = mixture().per_image_denoiser();
    const Tensor together = sample_adaptive(D, estimate, start({0, 1, 2, 3}, 80)).x;
    const Tensor apart[]{sample_adaptive(D, estimate, start({0, 1, 2}, 80)).x, sample_adaptive(D, estimate, start({3}, 80)).x};
    CHECK(test::same_bits(concat(apart, 0), together));
}

}    // namespace lull
