#include "diffusion/ddim.h"

#include <doctest/doctest.h>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/schedule.h"
#include "diffusion/sigmas.h"
#include "engine/io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

using Seeds = std::vector<std::uint64_t>;

const GaussianMixture& mixture() {
    static const GaussianMixture mixture({{.weight = 0.6, .mean = {0.5, 0, -0.5, 0.5, 0.2, 0}, .std = 0.3},
                                          {.weight = 0.4, .mean = {-0.5, 0.3, 0.4, -0.5, 0, 0.5}, .std = 0.1}});
    return mixture;
}

// x_t ~ N(0, I), as x = x_t/√ᾱ.
Tensor lesson_start(const Seeds& seeds, const std::vector<double>& sigmas) {
    return start_noise(seeds, {2, 3, 1}, std::sqrt(1 + sq(sigmas[0])), DType::f64);
}

struct Trajectory {
    std::vector<Tensor> x_t;    // after each step
    int noises = 0;             // how many steps added noise
};

// With the same noise for all samplers.
template <class Sample>
Trajectory trajectory(const std::vector<double>& sigmas, const Sample& sample) {
    const Seeds seeds{1, 2, 3};
    const Sampling drawn{.seeds = seeds};
    Trajectory result;
    Sampling run;
    run.step_noise = [&](const Tensor& x, int step) {
        ++result.noises;
        return drawn.noise(x, step);
    };
    run.on_step = [&](int, double sigma, const Tensor& x) {
        result.x_t.push_back(std::sqrt(alpha_bar(sigma)) * x);
        return true;
    };
    sample(mixture().denoiser(), lesson_start(seeds, sigmas), sigmas, run);
    return result;
}

}    // namespace

TEST_CASE("DDIM and ancestral Euler are the same trajectory") {
    for (const int n : {100, 50})
        for (const double eta : {0.0, 0.5, 1.0}) {
            CAPTURE(n);
            CAPTURE(eta);
            const std::vector<double> sigmas = cosine_sigmas(n);
            const Trajectory ddim = trajectory(sigmas, [&](auto&& D, auto&& x, auto&& s, auto&& run) {
                return sample_ddim(D, x, s, {.eta = eta, .clip = HUGE_VAL, .stop_noise = 0.01}, run);
            });
            const Trajectory ancestral = trajectory(sigmas, [&](auto&& D, auto&& x, auto&& s, auto&& run) {
                return sample_ancestral(D, x, s, {.eta = eta, .stop_noise = 0.01}, run);
            });
            REQUIRE(ddim.x_t.size() == ancestral.x_t.size());
            double worst = 0;
            for (std::size_t i = 0; i < ddim.x_t.size(); ++i)
                worst = std::max(worst, test::absolute_error(ddim.x_t[i], ancestral.x_t[i]));
            CHECK(worst < 2e-14);
            CHECK(ddim.noises == ancestral.noises);
            // Of the n - 2 steps that could add noise, the last few do not.
            if (eta == 1) CHECK(ddim.noises == n - 2 - (n == 100 ? 7 : 4));
            if (eta == 0) CHECK(ddim.noises == 0);
        }
}

TEST_CASE("DDIM around an ε-network is the lesson's loop") {
    const auto eps_hat = [](const Tensor& x_t, double t) { return tanh((1 - 0.5 * t) * x_t) + 0.2 * t; };
    const Network network = [&](const Tensor& x_t, const Tensor& t) { return eps_hat(x_t, t.values()[0]); };
    const int n = 20;
    const Seeds seeds{4, 9};
    const std::vector<double> sigmas = cosine_sigmas(n);
    const Sampling run{.seeds = seeds};
    const auto alpha_bar_at = [](double t) { return sq(std::cos(std::numbers::pi / 2 * t)); };

    Tensor x_t = std::sqrt(alpha_bar(sigmas[0])) * lesson_start(seeds, sigmas);
    for (int i = 0; i + 1 < n; ++i) {
        const double t = 1 - (i + 1.0) / n, abar = alpha_bar_at(t), abar_next = i + 2 < n ? alpha_bar_at(t - 1.0 / n) : 1;
        double sigma = 0.7 * std::sqrt((1 - abar_next) / (1 - abar)) * std::sqrt(1 - abar / abar_next);
        const Tensor eps = eps_hat(x_t, t);
        const Tensor y = clamp((x_t - std::sqrt(1 - abar) * eps) / std::sqrt(abar), -1.5, 1.5);
        if (1 - abar_next <= sq(sigma) + 0.01) sigma = 0;
        x_t = std::sqrt(abar_next) * y + std::sqrt(1 - abar_next - sq(sigma)) * eps;
        if (sigma > 0) x_t = x_t + sigma * run.noise(x_t, i);
    }
    const Tensor ours =
        sample_ddim(denoiser(network, EpsPreconditioner{}), lesson_start(seeds, sigmas), sigmas, {.eta = 0.7}, run);
    CHECK(test::absolute_error(ours, x_t) < 1e-12);    // D at the start is a small difference of numbers up to 12
}

TEST_CASE("DDIM follows diffusers' scheduler step by step with the same noise, ŷ clamped") {
    const SafetensorsFile file = load_safetensors(test::source_dir() / "tests/golden/ddim.safetensors");
    const auto golden = [&](const std::string& key) { return file.tensors.at(key); };
    std::vector<GaussianMixture::Component> components;
    for (std::int64_t k = 0; k < 2; ++k)
        components.push_back({golden("mixture/weights").values()[static_cast<std::size_t>(k)],
                              golden("mixture/means").slice(0, k, k + 1).values(),
                              golden("mixture/stds").values()[static_cast<std::size_t>(k)]});
    const std::vector<double> sigmas = golden("sigmas").values();
    const Tensor x0 = golden("x0") / std::sqrt(alpha_bar(sigmas[0]));
    for (const auto& [name, eta] : {std::pair{"eta0", 0.0}, {"eta05", 0.5}, {"eta1", 1.0}}) {
        CAPTURE(name);
        const Tensor trace = golden(std::string(name) + "/trace");
        Sampling run;
        run.step_noise = [&](const Tensor& x, int step) { return golden("noise").slice(0, step, step + 1).reshape(x.shape()); };
        int steps = 0;
        run.on_step = [&](int step, double sigma, const Tensor& x) {
            const Tensor x_t = std::sqrt(alpha_bar(sigma)) * x;
            CHECK(test::absolute_error(x_t, trace.slice(0, step, step + 1).reshape(x.shape())) < 1e-13);
            ++steps;
            return true;
        };
        sample_ddim(GaussianMixture(components).denoiser(), x0, sigmas,
                    {.eta = eta, .clip = golden("clip").item(), .stop_noise = 0}, run);
        CHECK(steps == 11);
    }
}

TEST_CASE("a step keeps ŷ within its bounds and ε̂ as it was") {
    // ᾱ = 0.5 → 0.8 (σ = 1 → 0.5), x_t = 0.6; D = 2 becomes 1.5, ε̂ = (0.6 - √0.5 · 2) / √0.5, σ_η = √(0.4 · 0.375).
    CHECK(ddim_noise(1, 0.5, 0.8) == doctest::Approx(std::sqrt(0.15)).epsilon(1e-14));
    CHECK(ddim_noise(0.5, 0.5, 0.8) == doctest::Approx(0.5 * std::sqrt(0.15)).epsilon(1e-14));
    CHECK(ddim_noise(1, 0.5, 1) == 0);
    CHECK(ddim_noise(1, 1, 1) == 0);
    const Denoiser two = [](const Tensor& x, double) { return full(x.shape(), 2, x.dtype()); };
    const Tensor x = full({1, 1}, 0.6 / std::sqrt(0.5), DType::f64);
    const Sampling run{.step_noise = [](const Tensor& like, int) { return full(like.shape(), 0.3, like.dtype()); }};
    const auto step = [&](const DdimOptions& options) {
        return std::sqrt(0.8) * sample_ddim(two, x, std::vector<double>{1, 0.5}, options, run).item();
    };
    const double eps = 0.6 / std::sqrt(0.5) - 2;
    const auto by_hand = [&](double y, double sigma) {
        return std::sqrt(0.8) * y + std::sqrt(0.2 - sq(sigma)) * eps + sigma * 0.3;
    };
    CHECK(step({.eta = 1}) == doctest::Approx(by_hand(1.5, std::sqrt(0.15))).epsilon(1e-14));
    CHECK(step({.eta = 0}) == doctest::Approx(by_hand(1.5, 0)).epsilon(1e-14));
    CHECK(step({.eta = 1, .clip = HUGE_VAL}) == doctest::Approx(by_hand(2, std::sqrt(0.15))).epsilon(1e-14));
    CHECK(step({.eta = 1, .stop_noise = 0.0501}) == step({.eta = 0}));    // 1 - ᾱ' = 0.2 ≤ 0.15 + 0.0501
    CHECK(step({.eta = 1, .stop_noise = 0.0499}) == step({.eta = 1}));
    CHECK(step({.eta = 3, .stop_noise = 0}) == doctest::Approx(by_hand(1.5, std::sqrt(0.2))).epsilon(1e-14));    // at most 1 - ᾱ'
}

TEST_CASE("an estimate from elsewhere takes the denoiser's place, and has one step more") {
    const Seeds seeds{1, 2, 3};
    const std::vector<double> sigmas = cosine_sigmas(10);
    const Denoiser none = [](const Tensor&, double) -> Tensor { throw Error("not asked"); };
    std::vector<double> levels;
    DdimOptions options{.eta = 1, .clip = HUGE_VAL};
    options.estimate = [&](const Tensor& x_t, const DdimStep& step) -> DdimEstimate {
        levels.push_back(step.alpha_bar);
        CHECK(step.sigma_eta == ddim_noise(1, step.alpha_bar, step.alpha_bar_next));
        if (step.alpha_bar == 1) return {x_t + 1, zeros_like(x_t), 0};    // this is returned
        const double sigma = std::sqrt(1 / step.alpha_bar - 1);
        const Tensor y = mixture().denoise(x_t / std::sqrt(step.alpha_bar), sigma);
        return {y, (x_t - std::sqrt(step.alpha_bar) * y) / std::sqrt(1 - step.alpha_bar), step.sigma_eta};
    };
    const Tensor start = lesson_start(seeds, sigmas);
    std::vector<int> steps;
    const Sampling run{.seeds = seeds, .on_step = [&](int step, double, const Tensor&) {
                           steps.push_back(step);
                           return true;
                       }};
    const Tensor blind = sample_ddim(none, start, sigmas, options, run);
    const Tensor told = sample_ddim(mixture().denoiser(), start, sigmas, {.eta = 1, .clip = HUGE_VAL}, {.seeds = seeds});
    CHECK(test::absolute_error(blind, told + 1) < 1e-12);
    CHECK(levels.size() == 10);
    CHECK(levels.back() == 1);
    CHECK(steps == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

    options.estimate = [](const Tensor& x_t, const DdimStep&) -> DdimEstimate { return {ones({1}), x_t, 0}; };
    CHECK_THROWS_AS(sample_ddim(none, start, sigmas, options, run), Error);
}

}    // namespace lull
