#include "diffusion/blind.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "diffusion/schedule.h"
#include "diffusion/sigmas.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/compare.h"
#include "tests/support/mixture.h"

namespace lull {
namespace {

using Seeds = std::vector<std::uint64_t>;
constexpr double kPi = std::numbers::pi;

using test::mixture;
const Shape& kImage = test::kMixtureImage;

const SamplerChoice kChoices[] = {{.sampler = Sampler::euler},
                                  {.sampler = Sampler::ancestral, .ancestral = {.eta = 0.8}},
                                  {.sampler = Sampler::heun, .heun = {.s_churn = 4}},
                                  {.sampler = Sampler::lms},
                                  {.sampler = Sampler::ddim, .ddim = {.eta = 0.7}}};

// The two ways to use a predictor, each with any sampler.
enum class Way { resynchronised, denoiser };
const Way kWays[] = {Way::resynchronised, Way::denoiser};
Tensor sample_blind(Way way, const SamplerChoice& choice, const PerImageDenoiser& D, const NoiseEstimator& estimate,
                    const Tensor& x, const std::vector<double>& sigmas, const Sampling& run = {}) {
    if (way == Way::denoiser) return sample(choice, blind_denoiser(D, estimate), x, sigmas, run);
    return sample_resynchronised(choice, D, estimate, {}, x, sigmas, run);
}

// Knows what the sampler believes, and finds it true.
std::vector<double> exact(const Tensor&, const Tensor& sigma) { return sigma.values(); }

// Is wrong in a way of each image's own, which depends on the image: a function of x alone.
std::vector<double> wrong(const Tensor& x, const Tensor& sigma) {
    std::vector<double> levels = sigma.values();
    const std::vector<double> sums = sum(x, {1, 2, 3}).values();
    for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = std::max(0.02, levels[i] * (1.1 + 0.2 * std::sin(sums[i])));
    return levels;
}

Tensor start(const Seeds& seeds, double sigma) { return start_noise(seeds, kImage, sigma, DType::f64); }

}    // namespace

TEST_CASE("where the predictor is exact, blind sampling is ordinary sampling, with every sampler in both ways") {
    const Seeds seeds{0, 1, 2, 3, 4};
    for (const SamplerChoice& choice : kChoices) {
        const std::vector<double> sigmas = karras_sigmas(9);
        const Tensor ordinary = sample(choice, mixture().denoiser(), start(seeds, 80), sigmas, {.seeds = seeds});
        for (const Way way : kWays)
            for (const LevelForm form : {LevelForm::alpha_bar, LevelForm::sigma})
                for (const LevelClamp clamp : {LevelClamp::schedule, LevelClamp::median, LevelClamp::none}) {
                    CAPTURE(name_of(choice.sampler));
                    CAPTURE(static_cast<int>(way));
                    CAPTURE(static_cast<int>(form));
                    const Tensor blind = sample_blind(way, choice, mixture().per_image_denoiser(),
                                                      estimator(exact, {.form = form, .clamp = clamp}), start(seeds, 80), sigmas,
                                                      {.seeds = seeds});
                    // The last evaluation is D(x; 1e-6) where x is clean: 1e-12 / s² of it, s ≥ 0.1.
                    CHECK(test::absolute_error(blind, ordinary) < 1e-9);
                }
    }
}

// The lesson's loop at η over cosine_sigmas, in its own form and letters: ᾱ of the schedule, â of the predictor, used in ŷ alone,
// or for σ_η, too. No clamp acts.
Tensor lesson(const Tensor& x, const std::vector<double>& sigmas, double eta, const Sampling& run,
              DdimNoise noise = DdimNoise::schedule) {
    Tensor x_t = x * std::sqrt(alpha_bar(sigmas[0]));
    for (std::size_t i = 0; i < sigmas.size(); ++i) {
        const double abar = alpha_bar(sigmas[i]), abar_next = i + 1 < sigmas.size() ? alpha_bar(sigmas[i + 1]) : 1;
        double sigma_eta = i + 1 < sigmas.size() ? ddim_noise(eta, abar, abar_next) : 0;
        const std::vector<double> sigma_hat = wrong(x_t / std::sqrt(abar), full({x.size(0), 1, 1, 1}, sigmas[i], DType::f64));
        const Tensor a = alpha_bar(from_values(sigma_hat, {x.size(0), 1, 1, 1}, DType::f64));
        if (noise == DdimNoise::half) sigma_eta /= 2;
        if (noise == DdimNoise::median) {
            const double median = lower_median(a.values()), N = static_cast<double>(sigmas.size());
            const double t = 2 / kPi * std::acos(std::sqrt(median)), t2 = std::max(0.0, t - 1 / N);
            sigma_eta = ddim_noise(eta, median, std::pow(std::cos(kPi / 2 * t2), 2));
        }
        sigma_eta = std::min(sigma_eta, std::sqrt(1 - abar_next));    // no more than there is room for
        if (1 - abar_next <= sigma_eta * sigma_eta + 0.01) sigma_eta = 0;
        // ε̂ of a network that is shown x_t, as a denoiser has it.
        const Tensor X = x_t / sqrt(a), s = sqrt((1 - a) / a);
        const Tensor eps = (X - mixture().denoise(X, s)) / s;

        const Tensor y = (x_t - sqrt(1 - a) * eps) / sqrt(a);
        x_t = std::sqrt(abar_next) * y + std::sqrt(1 - abar_next - sigma_eta * sigma_eta) * eps;
        if (sigma_eta > 0) x_t = x_t + sigma_eta * run.noise(x_t, static_cast<int>(i));
    }
    return x_t;
}

TEST_CASE("resynchronised sampling is the lesson's step: Euler at eta 0, ancestral Euler and DDIM at any") {
    const Seeds seeds{0, 1, 2, 3, 4};
    const std::vector<double> sigmas = cosine_sigmas(20);
    const NoiseEstimator estimate = estimator(wrong, {.form = LevelForm::alpha_bar, .clamp = LevelClamp::none});
    const Sampling run{.seeds = seeds};
    const Tensor x = start(seeds, sigmas[0]);
    constexpr double kNoClip = std::numeric_limits<double>::infinity();
    const auto blind = [&](const SamplerChoice& choice) {
        return sample_resynchronised(choice, mixture().per_image_denoiser(), estimate, {}, x, sigmas, run);
    };
    // Twenty steps of rounding, 1e-16 of numbers as large as 13 σ_max: 1e-13 was measured.
    CHECK(test::absolute_error(blind({.sampler = Sampler::euler}), lesson(x, sigmas, 0, run)) < 1e-11);
    for (const double eta : {0.0, 0.5, 1.0}) {
        CAPTURE(eta);
        const Tensor wanted = lesson(x, sigmas, eta, run);
        const Tensor ordinary = sample_ancestral(mixture().denoiser(), x, sigmas, {.eta = eta, .stop_noise = 0.01}, run);
        CHECK(test::absolute_error(wanted, ordinary) > 1e-3);    // the predictor is wrong, and matters
        CHECK(test::absolute_error(blind({.sampler = Sampler::ancestral, .ancestral = {.eta = eta, .stop_noise = 0.01}}),
                                   wanted) < 1e-11);
        CHECK(test::absolute_error(blind({.sampler = Sampler::ddim, .ddim = {.eta = eta, .clip = kNoClip}}), wanted) < 1e-11);
    }
}

TEST_CASE("DDIM's three noises are the lesson's, at its own step length and eta") {
    const Seeds seeds{0, 1, 2, 3, 4};
    const std::vector<double> sigmas = cosine_sigmas(20);
    const NoiseEstimator estimate = estimator(wrong, {.form = LevelForm::alpha_bar, .clamp = LevelClamp::none});
    const Sampling run{.seeds = seeds};
    const Tensor x = start(seeds, sigmas[0]);
    const SamplerChoice ddim{.sampler = Sampler::ddim, .ddim = {.eta = 0.7, .clip = std::numeric_limits<double>::infinity()}};
    Tensor last;
    for (const DdimNoise noise : {DdimNoise::schedule, DdimNoise::half, DdimNoise::median}) {
        CAPTURE(static_cast<int>(noise));
        const Tensor images =
            sample_resynchronised(ddim, mixture().per_image_denoiser(), estimate, {.ddim_noise = noise}, x, sigmas, run);
        CHECK(test::absolute_error(images, lesson(x, sigmas, 0.7, run, noise)) < 1e-11);
        if (last.defined()) CHECK(test::absolute_error(images, last) > 1e-3);
        last = images;
    }
}

TEST_CASE("the blind denoiser hides its own sigma: the sampler divides by the schedule's") {
    const Seeds seeds{0, 1, 2};
    const double sigma = 3, sigma_next = 1;
    const Tensor x = start(seeds, sigma);
    const Tensor level = full({3, 1, 1, 1}, sigma, DType::f64);
    const Tensor hat = from_values(wrong(x, level), {3, 1, 1, 1}, DType::f64);
    const Tensor ordinary = sample_euler(mixture().denoiser(), x, std::vector<double>{sigma, sigma_next});
    for (const LevelForm form : {LevelForm::sigma, LevelForm::alpha_bar}) {
        CAPTURE(static_cast<int>(form));
        // X = kx, and the slope is (x - ŷ)/σ.
        const Tensor k = form == LevelForm::sigma ? 0 * hat + 1 : sqrt((1 + sq(hat)) / (1 + sigma * sigma));
        const Tensor y = mixture().denoise(k * x, hat), eps = (k * x - y) / hat;
        const Tensor got =
            sample({.sampler = Sampler::euler},
                   blind_denoiser(mixture().per_image_denoiser(), estimator(wrong, {.form = form, .clamp = LevelClamp::none})), x,
                   std::vector<double>{sigma, sigma_next});
        CHECK(test::absolute_error(got, x + (sigma_next - sigma) / sigma * (x - y)) < 1e-13);
        CHECK(test::absolute_error(got, ordinary) > 1e-4);
        // docs/derivations/blind.md: what is wrong with the image goes as σ' does, what is wrong with the noise stays in
        // proportion.
        const double ratio = sigma_next / sigma;
        CHECK(test::absolute_error(got, (1 + ratio * (1 / k - 1)) * y + ratio * hat / k * eps) < 1e-12);
    }
}

TEST_CASE("a wrong start is put right by the first resynchronised step, and is kept in proportion by the blind denoiser") {
    // Data of a single image, black, so that σ̂ is the root mean square; the images have 1.5 times the noise that the schedule
    // says.
    const auto black = [](const Tensor& x, const Tensor&) { return zeros_like(x); };
    const auto rms = [](const Tensor& x, const Tensor&) { return sqrt(mean(sq(x), {1, 2, 3})).values(); };
    const Tensor n = start({0, 1, 2}, 1), x = 1.5 * 4 * n / sqrt(mean(sq(n), {1, 2, 3}));
    for (const Way way : kWays) {
        std::vector<double> ratios;
        const Sampling run{.on_step = [&](int, double sigma, const Tensor& at) {
            for (const double level : rms(at, {})) ratios.push_back(level / sigma);
            return true;
        }};
        sample_blind(way, {.sampler = Sampler::euler}, black, estimator(rms, {}), x, {4, 2, 1, 0.3}, run);
        REQUIRE(ratios.size() == 9);
        for (const double ratio : ratios) CHECK(ratio == doctest::Approx(way == Way::denoiser ? 1.5 : 1).epsilon(1e-12));
    }
}

TEST_CASE("blind sampling costs what ordinary sampling costs, and one evaluation to finish") {
    const Seeds seeds{0, 1};
    for (const SamplerChoice& choice : kChoices) {
        CAPTURE(name_of(choice.sampler));
        int asked = 0;
        const PerImageDenoiser D = [&](const Tensor& x, const Tensor& sigma) {
            ++asked;
            return mixture().denoise(x, sigma);
        };
        const auto count = [&](const auto& sample_it) {
            asked = 0;
            sample_it(estimator(wrong, {}), start(seeds, 80), karras_sigmas(6), Sampling{.seeds = seeds});
            return asked;
        };
        const auto resynchronised = [&](const ResynchroniseOptions& options) {
            return count([&](auto&& estimate, auto&& x, auto&& sigmas, auto&& run) {
                sample_resynchronised(choice, D, estimate, options, x, sigmas, run);
            });
        };
        const int ordinary = evaluations(choice.sampler, 6);
        CHECK(count([&](auto&& estimate, auto&& x, auto&& sigmas, auto&& run) {
                  sample(choice, blind_denoiser(D, estimate), x, sigmas, run);
              }) == ordinary);
        CHECK(resynchronised({}) == ordinary + 1);
        if (choice.sampler != Sampler::ddim) CHECK(resynchronised({.finish = false}) == ordinary);
    }
}

TEST_CASE("clamped around the schedule an image depends on its seed alone, bit for bit, and around the median on its batch") {
    const Seeds seeds{0, 1, 2, 3, 4, 5};
    const auto draw = [&](const SamplerChoice& choice, Way way, LevelClamp clamp, const Seeds& some) {
        const NoiseEstimator estimate = estimator(wrong, {.form = LevelForm::alpha_bar, .clamp = clamp, .factor = 1.05});
        return sample_blind(way, choice, mixture().per_image_denoiser(), estimate, start(some, 80), karras_sigmas(9),
                            {.seeds = some});
    };
    for (const SamplerChoice& choice : kChoices)
        for (const Way way : kWays) {
            CAPTURE(name_of(choice.sampler));
            const Tensor all = draw(choice, way, LevelClamp::schedule, seeds);
            const Tensor parts[]{draw(choice, way, LevelClamp::schedule, {0, 1}),
                                 draw(choice, way, LevelClamp::schedule, {2, 3, 4, 5})};
            CHECK(test::same_bits(concat(parts, 0), all));
            const Tensor alone = draw(choice, way, LevelClamp::median, {0});
            CHECK_FALSE(test::same_bits(draw(choice, way, LevelClamp::median, seeds).slice(0, 0, 1), alone));
        }
}

TEST_CASE("the noise of a blind DDIM step is the schedule's, half of it, or that of a step from the median") {
    const Tensor x_t = start({0, 1, 2, 3}, 1) / std::sqrt(2.);
    // â = 0.1, 0.3, 0.6, 0.8: the lower median is 0.3.
    const NoiseLevelPredictor level = [](const Tensor&, const Tensor&) {
        return std::vector<double>{std::sqrt(9.), std::sqrt(0.7 / 0.3), std::sqrt(0.4 / 0.6), 0.5};
    };
    const NoiseEstimator estimate = estimator(level, {.form = LevelForm::alpha_bar, .clamp = LevelClamp::none});
    const DdimStep step{.alpha_bar = 0.5, .alpha_bar_next = 0.6, .sigma_eta = ddim_noise(0.9, 0.5, 0.6)};
    const auto noise = [&](DdimNoise which) {
        return blind_ddim(mixture().per_image_denoiser(), estimate, which, 50, 0.9)(x_t, step).sigma_eta;
    };
    CHECK(noise(DdimNoise::schedule) == step.sigma_eta);
    CHECK(noise(DdimNoise::half) == step.sigma_eta / 2);
    const double t = 2 / std::acos(-1.) * std::acos(std::sqrt(0.3)), c = std::cos(std::acos(-1.) / 2 * (t - 0.02));
    CHECK(noise(DdimNoise::median) ==
          doctest::Approx(0.9 * std::sqrt((1 - c * c) / 0.7) * std::sqrt(1 - 0.3 / (c * c))).epsilon(1e-12));
}

TEST_CASE("a caller stops a blind sampler as it stops another") {
    int steps = 0;
    const Sampling run{.on_step = [&](int, double, const Tensor&) { return ++steps < 3; }};
    int asked = 0;
    const PerImageDenoiser D = [&](const Tensor& x, const Tensor& sigma) {
        ++asked;
        return mixture().denoise(x, sigma);
    };
    sample_resynchronised({.sampler = Sampler::euler}, D, estimator(exact, {}), {}, start({1}, 80), karras_sigmas(6), run);
    CHECK(steps == 3);
    CHECK(asked == 3);    // and no last evaluation
}

}    // namespace lull
