#include "diffusion/noise_level.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "diffusion/objective.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/mse/mse.h"
#include "engine/ops/reduce/reduce.h"
#include "nn/init.h"
#include "nn/resnet.h"
#include "tests/support/compare.h"
#include "tests/support/error_of.h"

namespace lull {
namespace {

using Places = std::vector<std::uint64_t>;

const NoiseLevelTask kTasks[] = {{.target = LevelTarget::logit},
                                 {.target = LevelTarget::alpha_bar},
                                 {.target = LevelTarget::ln_sigma, .sigma_min = 0.01, .sigma_max = 50}};

Places places(std::size_t count) {
    Places all(count);
    std::iota(all.begin(), all.end(), 0);
    return all;
}

TEST_CASE("targets have names that are read again") {
    for (const std::string_view name : level_target_names()) CHECK(name_of(parse_level_target(name)) == name);
    CHECK(test::error_of([] { parse_level_target("logits"); }) ==
          "[noise_level] unknown target 'logits'; did you mean 'logit'? (logit, alpha-bar, ln-sigma)");
}

TEST_CASE("levels are even in alpha-bar, or in ln sigma, and stay within bounds") {
    const Places all = places(20'000);
    for (const NoiseLevelTask& task : kTasks) {
        CAPTURE(name_of(task.target));
        const std::vector<double> sigmas = draw_sigmas(task.distribution(), 3, all, DType::f64).values();
        std::vector<double> even;    // in [0, 1]
        for (const double sigma : sigmas) {
            CHECK((sigma >= task.least() && sigma <= task.most()));
            const bool ln = task.target == LevelTarget::ln_sigma;
            even.push_back(ln ? std::log(sigma / 0.01) / std::log(5000.) : 1 / (1 + sigma * sigma));
        }
        std::sort(even.begin(), even.end());
        double distance = 0;    // Kolmogorov's; 1.95 / √n has a chance of 1 in 1000
        for (std::size_t i = 0; i < even.size(); ++i)
            distance = std::max(distance, std::abs(even[i] - (static_cast<double>(i) + 0.5) / 20'000));
        CHECK(distance < 1.95 / std::sqrt(20'000.));
    }
}

TEST_CASE("the network sees x_t, or x of unit size, and answers logit alpha-bar, alpha-bar or ln sigma") {
    const Tensor y = 0.5 * random_normal({3, 4, 4, 2}, {1, Purpose::data, 0}, DType::f64);
    const Tensor n = random_normal({3, 4, 4, 2}, {2, Purpose::data, 0}, DType::f64);
    const Tensor sigma = from_values({0.1, 1, 20}, {3, 1, 1, 1}, DType::f64), x = y + sigma * n;
    const Tensor abar = 1 / (1 + sq(sigma)), x_t = sqrt(abar) * y + sqrt(1 - abar) * n;
    CHECK(test::absolute_error(kTasks[0].input(x, sigma), x_t) < 1e-14);
    CHECK(test::absolute_error(kTasks[1].input(x, sigma), x_t) < 1e-14);
    const Tensor unit = kTasks[2].input(x, sigma);
    for (const double square : mean(sq(unit), {1, 2, 3}).values()) CHECK(square == doctest::Approx(1).epsilon(1e-12));
    CHECK(unit.values()[40] / unit.values()[41] == doctest::Approx(x.values()[40] / x.values()[41]).epsilon(1e-12));

    for (const NoiseLevelTask& task : kTasks) {
        const Tensor answer = task.answer(sigma);
        CHECK(answer.shape() == Shape{3, 1});
        const std::vector<double> again = task.sigma(answer);
        for (int i = 0; i < 3; ++i) CHECK(again[i] == doctest::Approx(sigma.values()[i]).epsilon(1e-12));
    }
    CHECK(kTasks[0].answer(sigma).values()[2] == doctest::Approx(std::log(abar.values()[2] / (1 - abar.values()[2]))));
    CHECK(kTasks[1].answer(sigma).values()[1] == 0.5);
    CHECK(kTasks[2].answer(sigma).values()[0] == doctest::Approx(std::log(0.1)));
}

TEST_CASE("what a network cannot mean becomes a level that it was trained with") {
    CHECK(kTasks[0].sigma(from_values({-90, 90}, {2, 1}))[0] == doctest::Approx(1000).epsilon(1e-6));
    CHECK(kTasks[0].sigma(from_values({-90, 90}, {2, 1}))[1] == doctest::Approx(0.001).epsilon(1e-6));
    CHECK(kTasks[1].sigma(from_values({-0.1, 1.1}, {2, 1}))[0] == doctest::Approx(1000).epsilon(1e-6));
    CHECK(kTasks[1].sigma(from_values({-0.1, 1.1}, {2, 1}))[1] == doctest::Approx(0.001).epsilon(1e-6));
    CHECK(kTasks[2].sigma(from_values({-90, 90}, {2, 1})) == std::vector<double>{0.01, 50});
}

TEST_CASE("answers (N, 1) against levels (N) are an error, never a broadcast") {
    const Tensor answers = zeros({3, 1}), levels = zeros({3});
    CHECK(test::error_of([&] { mse(answers, levels); }) ==
          "[mse] expected a target like the prediction, got f32 (3, 1) and f32 (3,)");
    CHECK_THROWS_AS(answers - levels, Error);
    CHECK(test::error_of([&] { kTasks[0].sigma(levels); }) == "[noise_level] expected answers (N, 1), got f32 (3,)");
}

TEST_CASE("constant answers have the losses that they are said to have") {
    constexpr std::size_t kDraws = 200'000;
    const Places all = places(kDraws);
    for (const NoiseLevelTask& task : kTasks) {
        CAPTURE(name_of(task.target));
        const Tensor answers = task.answer(draw_sigmas(task.distribution(), 5, all, DType::f64));
        for (const auto& [value, expected] : task.constants()) {
            const Tensor errors = sq(answers - value);
            const double loss = mean(errors).item(), deviation = std::sqrt(mean(sq(errors - loss)).item());
            CHECK(std::abs(loss - expected) < 4 * deviation / std::sqrt(double(kDraws)));    // four standard errors
        }
    }
    CHECK(kTasks[0].constants()[0].expected_loss == doctest::Approx(3.290).epsilon(1e-4));
    CHECK(kTasks[0].constants()[1].expected_loss == doctest::Approx(3.540).epsilon(1e-4));
}

// The lesson's network, smaller, in f64; dropout and statistics as in training.
struct Regressor {
    ResNet net{{.channels = {4, 6, 8}, .height = 8, .width = 8}};

    Regressor() {
        initialise_he(net, 2);
        for_each(net, [](const std::string&, Tensor& parameter) { parameter = parameter.to(DType::f64); });
        for_each(net, [](const std::string&, Buffer& buffer) { buffer.tensor = buffer.tensor.to(DType::f64); });
    }
    Tensor loss(const NoiseLevelTask& task) const {
        const Places four = places(4);
        const Tensor sigma = draw_sigmas(task.distribution(), 1, four, DType::f64);
        const Tensor y = 0.5 * random_normal({4, 8, 8, 1}, {1, Purpose::data, 0}, DType::f64);
        const Tensor x = y + sigma * random_normal({4, 8, 8, 1}, {2, Purpose::data, 0}, DType::f64);
        return mse(net.train(task.input(x, sigma), dropout_streams(0, four)), task.answer(sigma));
    }
};

TEST_CASE("the regressor's gradients are those of its loss, for every parameter") {
    for (const NoiseLevelTask& task : kTasks) {
        CAPTURE(name_of(task.target));
        Regressor exact;
        for_each(exact.net, [](const std::string&, Tensor& parameter) { parameter.requires_grad(); });
        exact.loss(task).backward();
        std::uint64_t number = 0;
        for_each(exact.net, [&](const std::string& name, Tensor& parameter) {
            CAPTURE(name);
            const Tensor direction = random_normal(parameter.shape(), {9, Purpose::data, number++}, DType::f64);
            const double derivative = sum(parameter.grad() * direction).item();
            constexpr double h = 1e-7;
            const auto moved = [&](double step) {
                Regressor other;
                for_each(other.net, [&](const std::string& its, Tensor& tensor) {
                    if (its == name) tensor = (parameter.detach() + step * direction).detach();
                });
                return other.loss(task).item();
            };
            // Central differences: rounding is 1e-16 / h of losses of 1 to 10, and the third derivative counts h² times. At ten
            // times this h one value of the stem crosses the kink of its activation.
            CHECK(derivative == doctest::Approx((moved(h) - moved(-h)) / (2 * h)).epsilon(1e-6).scale(1));
        });
    }
}

}    // namespace
}    // namespace lull
