#include "apps/lull/blind_settings.h"

#include <doctest/doctest.h>

#include "apps/lull/generate.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/random.h"
#include "nn/init.h"
#include "tests/support/compare.h"
#include "tests/support/error_of.h"

using namespace lull;
using namespace lull::test;

namespace {

// Untrained, but its answers depend on what it sees.
Predictor predictor_of(LevelTarget target, double black, double white) {
    const ResNetConfig network{.channels = {4, 6}, .height = 8, .width = 8};
    Predictor predictor{{network, {.target = target}, black, white}, ResNet(network)};
    initialise_he(predictor.net, 3);
    return predictor;
}

const Shape kImage{8, 8, 1};

}    // namespace

TEST_CASE("a predictor of another range is shown its own, and answers in the model's") {
    const Tensor x = random_normal({3, 8, 8, 1}, {1, Purpose::data, 0}), sigma = from_values({0.5, 2, 9}, {3, 1, 1, 1});
    for (const LevelTarget target : {LevelTarget::logit, LevelTarget::ln_sigma}) {
        CAPTURE(name_of(target));
        // The model's 0 and 4 are this predictor's -0.5 and 0.5.
        const Predictor predictor = predictor_of(target, -0.5, 0.5);
        const EstimatorOptions options{.clamp = LevelClamp::none};
        const NoiseEstimate got = estimator_of(predictor, kImage, 0, 4, options)(x, sigma);
        const NoiseEstimate its =
            estimator(predictor.function(), {.form = form_of(target), .clamp = LevelClamp::none})(x / 4 - 0.5, sigma / 4);
        CHECK(absolute_error(got.sigma, 4 * its.sigma) < 1e-5 * largest(got.sigma));
        CHECK(absolute_error(got.x, 4 * its.x + 2) < 1e-5 * (1 + largest(got.x)));
        for (std::size_t i = 0; i < 3; ++i) CHECK(got.predicted[i] == doctest::Approx(4 * its.predicted[i]).epsilon(1e-5));
        // The same range, and no detour.
        CHECK(same_bits(estimator_of(predictor, kImage, -0.5, 0.5, options)(x, sigma).sigma,
                        estimator(predictor.function(), {.form = form_of(target), .clamp = LevelClamp::none})(x, sigma).sigma));
    }
    CHECK(error_of([] {
              estimator_of(predictor_of(LevelTarget::logit, -1, 1), {9, 8, 1}, -1, 1, {});
          }).find("is for images of (8, 8, 1), the model's are (9, 8, 1)") != std::string::npos);
}

TEST_CASE("images that start from more noise than a predictor was shown are worth a note, in the model's units") {
    Predictor predictor = predictor_of(LevelTarget::ln_sigma, -1, 1);
    predictor.config.task.sigma_max = 80;
    ModelConfig model;
    SamplingPlan plan;
    plan.sigma_max = 80;
    CHECK(warning_of(predictor, model, plan).empty());
    model.black = -0.5;
    model.white = 0.5;    // in whose units its 80 is 40
    CHECK(warning_of(predictor, model, plan)
              .ends_with(" was shown noise up to sigma 40 in the model's units, and images start at 80"));
    CHECK(warning_of(predictor_of(LevelTarget::logit, -0.5, 0.5), model, plan).empty());
    plan.sigma_max = 40;
    CHECK(warning_of(predictor, model, plan).empty());
}
