#include "diffusion/noise_estimate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/random.h"
#include "tests/support/compare.h"
#include "tests/support/error_of.h"

namespace lull {
namespace {

// A predictor that says these, whatever it sees.
NoiseLevelPredictor says(std::vector<double> levels) {
    return [levels = std::move(levels)](const Tensor&, const Tensor&) { return levels; };
}

Tensor column(std::initializer_list<double> values) {
    return from_values(values, {static_cast<std::int64_t>(values.size()), 1, 1, 1}, DType::f64);
}

double sigma_of(double abar) { return std::sqrt((1 - abar) / abar); }

void check_levels(const Tensor& got, std::initializer_list<double> wanted) {
    CHECK(test::absolute_error(got, column(wanted)) < 1e-12);
}

const Tensor& images() {
    static const Tensor x = random_normal({4, 2, 2, 1}, {1, Purpose::data, 0}, DType::f64);
    return x;
}

}    // namespace

TEST_CASE("the lower median is the lower of the two middle values") {
    CHECK(lower_median({5}) == 5);
    CHECK(lower_median({3, 1}) == 1);
    CHECK(lower_median({4, 1, 3}) == 3);
    CHECK(lower_median({4, 1, 3, 2}) == 2);
    CHECK_THROWS_AS(lower_median({}), Error);
}

TEST_CASE("clamped around the schedule, sigma stays within half and twice what the sampler says") {
    const NoiseEstimate hat = estimator(says({0.2, 1.5, 9, 3}), {})(images(), column({1, 1, 2, 0}));
    check_levels(hat.sigma, {0.5, 1.5, 4, 3});    // the last: nothing is around 0
    CHECK(test::same_bits(hat.x, images()));
    CHECK(hat.predicted == std::vector<double>{0.2, 1.5, 9, 3});
    CHECK(hat.clamped == 0.5);
}

TEST_CASE("clamped around the median, alpha-bar stays within half and twice the lower middle one") {
    const NoiseEstimator estimate = estimator(says({sigma_of(0.1), sigma_of(0.4), sigma_of(0.9), sigma_of(0.45)}),
                                              {.form = LevelForm::alpha_bar, .clamp = LevelClamp::median});
    const NoiseEstimate hat = estimate(images(), column({1, 1, 1, 1}));
    check_levels(hat.sigma, {sigma_of(0.2), sigma_of(0.4), sigma_of(0.8), sigma_of(0.45)});
    CHECK(hat.clamped == 0.5);
    // x_t = x √½, and X = x_t / √â.
    for (int i = 0; i < 4; ++i) {
        const double abar[] = {0.2, 0.4, 0.8, 0.45};
        CHECK(hat.x.values()[4 * i] == doctest::Approx(images().values()[4 * i] * std::sqrt(0.5 / abar[i])).epsilon(1e-12));
    }
    // Twice the median may lie above 1, where no alpha-bar is: then nothing is clamped from that side.
    const NoiseEstimator clean = estimator(says({sigma_of(0.3), sigma_of(0.7), sigma_of(0.999), 0}),
                                           {.form = LevelForm::alpha_bar, .clamp = LevelClamp::median});
    check_levels(clean(images(), column({1, 1, 1, 1})).sigma, {sigma_of(0.35), sigma_of(0.7), sigma_of(0.999), 1e-6});
}

TEST_CASE("without a clamp the answers stand") {
    const NoiseEstimator estimate = estimator(says({0.2, 1.5, 9, 700}), {.clamp = LevelClamp::none});
    check_levels(estimate(images(), column({1, 1, 1, 1})).sigma, {0.2, 1.5, 9, 700});
}

TEST_CASE("a predictor of another range sees its own, and answers in the sampler's") {
    Tensor shown, told;
    const NoiseLevelPredictor level = [&](const Tensor& x, const Tensor& sigma) {
        shown = x;
        told = sigma;
        return std::vector<double>{0.4, 0.5, 0.6, 0.7};
    };
    const NoiseEstimate hat = in_units(estimator(level, {}), 0.5, 0.25)(images(), column({1, 1, 1, 1}));
    CHECK(test::absolute_error(shown, 0.5 * images() + 0.25) < 1e-14);
    check_levels(told, {0.5, 0.5, 0.5, 0.5});
    check_levels(hat.sigma, {0.8, 1, 1.2, 1.4});
    CHECK(hat.predicted == std::vector<double>{0.8, 1, 1.2, 1.4});
    CHECK(hat.clamped == 0);
    // Around σ = 3, which is 1.5 to the predictor, with all of its answers below half of that but the last.
    const NoiseEstimate near = in_units(estimator(level, {}), 0.5, 0.25)(images(), column({3, 3, 3, 2.7}));
    check_levels(near.sigma, {1.5, 1.5, 1.5, 1.4});
    CHECK(near.clamped == 0.75);
    CHECK(test::absolute_error(hat.x, images()) < 1e-14);
}

TEST_CASE("a network is shown what its task shows it, and what it answers is read as its task means it") {
    const Tensor truth = column({0.1, 0.7, 3, 20});
    for (const LevelTarget target : {LevelTarget::logit, LevelTarget::alpha_bar, LevelTarget::ln_sigma}) {
        const NoiseLevelTask task{.target = target};
        CAPTURE(name_of(target));
        Tensor shown;
        const auto network = [&](const Tensor& input) {
            shown = input;
            return task.answer(truth);
        };
        const Tensor believed = column({2, 2, 5, 5});    // of x's scale, which a predictor of ln σ does not read
        const std::vector<double> sigmas = noise_level_predictor(task, network)(images(), believed);
        CHECK(test::absolute_error(shown, task.input(images(), believed)) == 0);
        CHECK(test::absolute_error(shown, images()) > 0.1);
        for (std::size_t i = 0; i < 4; ++i) CHECK(sigmas[i] == doctest::Approx(truth.values()[i]).epsilon(1e-9));
    }
}

TEST_CASE("an estimator wants an answer for each image") {
    CHECK(test::error_of([] {
              estimator(says({1, 2}), {})(images(), column({1, 1, 1, 1}));
          }) == "[estimator] expected a level and an answer per image, got 4 and 2 for f64 (4, 2, 2, 1)");
    CHECK_THROWS_AS(estimator(says({1}), {.factor = 1}), Error);
    CHECK_THROWS_AS(in_units(estimator(says({1}), {}), 0, 0), Error);
}

}    // namespace lull
