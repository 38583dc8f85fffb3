#include "diffusion/samplers.h"

#include <doctest/doctest.h>

#include <cmath>

#include "diffusion/ddim.h"
#include "diffusion/sigmas.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "tests/support/mixture.h"

namespace lull {
namespace {

using Seeds = std::vector<std::uint64_t>;

using test::mixture;
const Shape& kImage = test::kMixtureImage;

// A sampler with options under which it draws noise, if it ever does.
using Sample = std::function<Tensor(const Denoiser&, const Tensor&, std::span<const double>, const Sampling&)>;
struct NamedSampler {
    const char* name;
    Sample sample;
};
const NamedSampler kSamplers[] = {
    {"euler", [](auto&& D, auto&& x, auto s, auto&& run) { return sample_euler(D, x, s, run); }},
    {"ancestral", [](auto&& D, auto&& x, auto s, auto&& run) { return sample_ancestral(D, x, s, {.eta = 0.8}, run); }},
    {"heun", [](auto&& D, auto&& x, auto s, auto&& run) { return sample_heun(D, x, s, {.s_churn = 4}, run); }},
    {"lms", [](auto&& D, auto&& x, auto s, auto&& run) { return sample_lms(D, x, s, {}, run); }},
    {"ddim", [](auto&& D, auto&& x, auto s, auto&& run) { return sample_ddim(D, x, s, {.eta = 0.8, .clip = HUGE_VAL}, run); }},
};

Tensor sample_seeds(const Sample& sample, const Seeds& seeds) {
    return sample(mixture().denoiser(), start_noise(seeds, kImage, 80), karras_sigmas(9), {.seeds = seeds});
}

}    // namespace

TEST_CASE("an image depends on its seed and not on its batch, bit for bit") {
    for (const auto& [name, sample] : kSamplers) {
        CAPTURE(name);
        const std::vector<double> eight = sample_seeds(sample, {0, 1, 2, 3, 4, 5, 6, 7}).values();
        const std::vector<Tensor> threes{sample_seeds(sample, {0, 1, 2}), sample_seeds(sample, {3, 4, 5}),
                                         sample_seeds(sample, {6, 7})};
        CHECK(concat(threes, 0).values() == eight);
        std::vector<Tensor> ones;
        for (std::uint64_t seed = 0; seed < 8; ++seed) ones.push_back(sample_seeds(sample, {seed}));
        CHECK(concat(ones, 0).values() == eight);
    }
}

TEST_CASE("start noise has the shape, the level and the seeds asked for") {
    const Tensor x = start_noise(Seeds{4, 9}, {8, 8, 1}, 80);
    CHECK(x.shape() == Shape{2, 8, 8, 1});
    double squares = 0;
    for (const double value : x.values()) squares += value * value / 128;
    CHECK(std::abs(std::sqrt(squares) - 80) < 4 * 80 / std::sqrt(2.0 * 128));    // four standard errors
    CHECK(x.slice(0, 1, 2).values() == start_noise(Seeds{9}, {8, 8, 1}, 80).values());
}

TEST_CASE("every step draws fresh noise, and other noise than the start's") {
    const Sampling run{.seeds = {7}};
    const Tensor x = start_noise(run.seeds, kImage, 1);
    CHECK(run.noise(x, 0).values() != run.noise(x, 1).values());
    CHECK(run.noise(x, 0).values() != x.values());
    CHECK(run.noise(x, 0).values() == run.noise(x, 0).values());
}

TEST_CASE("the step to 0 returns the denoiser's answer, except that LMS extrapolates") {
    const std::vector<double> sigmas{80, 0};
    const Tensor x = start_noise(Seeds{1, 2}, kImage, 80, DType::f64);
    const std::vector<double> D = mixture().denoise(x, 80).values();
    for (const auto& [name, sample] : kSamplers) {
        if (std::string_view(name) == "heun") continue;    // churned; below
        CAPTURE(name);
        const std::vector<double> y = sample(mixture().denoiser(), x, sigmas, {.seeds = {1, 2}}).values();
        for (std::size_t i = 0; i < D.size(); ++i) CHECK(y[i] == doctest::Approx(D[i]).epsilon(1e-12));
    }
    const std::vector<double> y = sample_heun(mixture().denoiser(), x, sigmas).values();
    for (std::size_t i = 0; i < D.size(); ++i) CHECK(y[i] == doctest::Approx(D[i]).epsilon(1e-12));
}

TEST_CASE("Heun evaluates twice per step but the last, at the churned level first") {
    std::vector<double> levels;
    const Denoiser D = [&](const Tensor& x, double sigma) {
        levels.push_back(sigma);
        return mixture().denoise(x, sigma);
    };
    const Tensor x = start_noise(Seeds{1}, kImage, 8);
    // γ = min(0.75 / 3, √2 - 1) = ¼ on σ ∈ [2, 4], both ends included.
    sample_heun(D, x, std::vector<double>{8, 4, 2, 0}, {.s_churn = 0.75, .s_tmin = 2, .s_tmax = 4}, {.seeds = {1}});
    CHECK(levels == std::vector<double>{8, 4, 5, 2, 2.5});

    const HeunOptions much{.s_churn = 100};
    CHECK(much.churn(1, 10) == std::sqrt(2.0) - 1);
    CHECK(HeunOptions{}.churn(1, 10) == 0);
}

TEST_CASE("churn raises the noise to its level, times S_noise") {
    // A denoiser that answers 0 leaves x' = x̂ σ'/σ̂ after both slopes.
    const Denoiser zero = [](const Tensor& x, double) { return zeros_like(x); };
    const Tensor x = full({1, 1}, 3, DType::f64);
    const HeunOptions options{.s_churn = 0.25, .s_noise = 1.1};
    const Sampling run{.step_noise = [](const Tensor& like, int) { return full(like.shape(), 0.5, like.dtype()); }};
    const double x_hat = 3 + 1.1 * std::sqrt(25.0 - 16.0) * 0.5;    // σ = 4, σ̂ = 5
    CHECK(sample_heun(zero, x, std::vector<double>{4, 2}, options, run).item() == doctest::Approx(x_hat * 2 / 5).epsilon(1e-14));
}

TEST_CASE("ancestral Euler splits the next level between a step down and noise") {
    const Denoiser zero = [](const Tensor& x, double) { return zeros_like(x); };
    const Tensor x = full({1, 1}, 3, DType::f64);
    const Sampling run{.step_noise = [](const Tensor& like, int) { return full(like.shape(), 0.5, like.dtype()); }};
    // σ 5 → 3: posterior √(9 · 16 / 25) = 2.4, so σ_up = 2.4 and σ_down = 1.8.
    const auto step = [&](double eta) { return sample_ancestral(zero, x, std::vector<double>{5, 3}, {.eta = eta}, run).item(); };
    CHECK(step(1) == doctest::Approx(3 * 1.8 / 5 + 2.4 * 0.5).epsilon(1e-14));
    CHECK(step(0.75) == doctest::Approx(3 * 2.4 / 5 + 1.8 * 0.5).epsilon(1e-14));
    CHECK(step(2) == doctest::Approx(3 * 0.5).epsilon(1e-14));    // σ_up is at most σ'
    // No noise where σ_down² ≤ stop_noise (1 + σ'²): 3.24 is 0.324 of 10.
    const auto stopping = [&](double stop) {
        return sample_ancestral(zero, x, std::vector<double>{5, 3}, {.eta = 1, .stop_noise = stop}, run).item();
    };
    CHECK(stopping(0.3239) == step(1));
    CHECK(stopping(0.3241) == step(0));
}

TEST_CASE("the caller sees every step and can stop") {
    const std::vector<double> sigmas{8, 4, 2, 1, 0};
    const Tensor start = start_noise(Seeds{1, 2}, kImage, 8);
    for (const auto& [name, sample] : kSamplers) {
        CAPTURE(name);
        std::vector<double> levels;
        std::vector<int> steps;
        Tensor last;
        Sampling run{.seeds = {1, 2}, .on_step = [&](int step, double sigma, const Tensor& x) {
                         steps.push_back(step);
                         levels.push_back(sigma);
                         last = x;
                         return step < 2;
                     }};
        const Tensor x = sample(mixture().denoiser(), start, sigmas, run);
        CHECK(steps == std::vector<int>{0, 1, 2});
        CHECK(levels == std::vector<double>{4, 2, 1});
        CHECK(x.values() == last.values());
    }
}

TEST_CASE("lists of noise levels that cannot be are errors") {
    const Tensor x = start_noise(Seeds{1}, kImage, 8);
    for (const auto& [name, sample] : kSamplers) {
        CAPTURE(name);
        const auto with = [&](std::vector<double> sigmas) { sample(mixture().denoiser(), x, sigmas, {.seeds = {1}}); };
        CHECK_THROWS_AS(with({}), Error);
        CHECK_THROWS_AS(with({8}), Error);
        CHECK_THROWS_AS(with({8, 8, 0}), Error);
        CHECK_THROWS_AS(with({1, 8, 0}), Error);
        CHECK_THROWS_AS(with({8, 1, -1}), Error);
        CHECK_THROWS_AS(with({HUGE_VAL, 1, 0}), Error);
        CHECK_THROWS_AS(with({8, NAN, 0}), Error);
    }
    CHECK_THROWS_WITH_AS(sample_euler(mixture().denoiser(), x, std::vector<double>{1, 8}),
                         "[sample_euler] expected descending noise levels, got 1 before 8", Error);
}

TEST_CASE("options that cannot be are errors") {
    const Tensor x = start_noise(Seeds{1}, kImage, 8);
    const std::vector<double> sigmas{8, 1, 0};
    const Denoiser D = mixture().denoiser();
    CHECK_THROWS_AS(sample_lms(D, x, sigmas, {.order = 0}), Error);
    CHECK_THROWS_AS(sample_lms(D, x, sigmas, {.order = 5}), Error);
    CHECK_THROWS_AS(sample_ancestral(D, x, sigmas, {.eta = -0.1}), Error);
    CHECK_THROWS_AS(sample_ancestral(D, x, sigmas, {.stop_noise = -0.1}), Error);
    CHECK_THROWS_AS(sample_heun(D, x, sigmas, {.s_churn = -1}), Error);
    CHECK_THROWS_AS(sample_ddim(D, x, sigmas, {.eta = -0.1}), Error);
    CHECK_THROWS_AS(sample_ddim(D, x, sigmas, {.clip = 0}), Error);
    CHECK_THROWS_AS(sample_ddim(D, x, sigmas, {.stop_noise = -0.1}), Error);
}

TEST_CASE("noise for which there are no seeds is an error") {
    const Tensor x = start_noise(Seeds{1, 2}, kImage, 8);
    CHECK_THROWS_WITH_AS(sample_ancestral(mixture().denoiser(), x, std::vector<double>{8, 1, 0}, {}, {.seeds = {1}}),
                         "[sampler] expected one seed per image, got 1 seeds for f32 (2, 2, 3, 1)", Error);
}

TEST_CASE("a denoiser that changes the shape is an error, not a broadcast") {
    const Denoiser D = [](const Tensor& x, double) { return zeros({x.size(0), 1, 1, 1}); };
    const Tensor x = start_noise(Seeds{1}, kImage, 8);
    for (const auto& [name, sample] : kSamplers) {
        CAPTURE(name);
        CHECK_THROWS_AS(sample(D, x, std::vector<double>{8, 0}, {.seeds = {1}}), Error);
    }
}

}    // namespace lull
