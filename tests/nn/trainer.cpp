#include "nn/trainer.h"

#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include <string>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/linear/linear.h"
#include "engine/ops/mse/mse.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"
#include "nn/layers/batch_norm.h"
#include "nn/module.h"

using namespace lull;

namespace {

// y = x wᵀ + b, of which the loss asks w = (2, -3), b = 1.
struct Line {
    Tensor weight = zeros({1, 2}), bias = zeros({1});
    template <class V>
    void visit(V& v) {
        v("weight", weight);
        v("bias", bias);
    }
};

struct Task {
    Line line;
    Parameters parameters{line};
    AdamW optimizer{{.eps = 1e-8}};
    std::vector<std::uint64_t> seen;

    Tensor loss(Positions positions) {
        seen.insert(seen.end(), positions.begin(), positions.end());
        std::vector<double> inputs, targets;
        for (const std::uint64_t p : positions) {
            const RandomStream stream{1, Purpose::data, p};
            const double a = stream.normal(0), b = stream.normal(1);
            inputs.insert(inputs.end(), {a, b});
            targets.push_back(2 * a - 3 * b + 1);
        }
        const auto n = static_cast<std::int64_t>(positions.size());
        return mse(linear(from_values(inputs, {n, 2}), line.weight, line.bias), from_values(targets, {n, 1}));
    }
    BatchLoss batch_loss() {
        return [this](Positions positions) { return loss(positions); };
    }
    std::vector<double> weights() const { return parameters.weights.values(); }
};

// Image n of the training stream, 2×2 pixels of two channels: (N, 2, 2, 2).
Tensor images_at(Positions positions) {
    std::vector<double> values;
    for (const std::uint64_t p : positions)
        for (std::uint32_t i = 0; i < 8; ++i) values.push_back(RandomStream{3, Purpose::data, p}.normal(i));
    return from_values(values, {static_cast<std::int64_t>(positions.size()), 2, 2, 2});
}

}    // namespace

TEST_CASE("training brings the loss down and calls each hook when it is due") {
    Task task;
    std::vector<double> losses;
    std::vector<std::int64_t> every_four;
    train(task.parameters, task.optimizer, task.batch_loss(), {.steps = 150, .batch = 16, .schedule = Constant{0.1}},
          {{.every = 1, .run = [&](const TrainedStep& s) { losses.push_back(s.loss); }},
           {.every = 40, .run = [&](const TrainedStep& s) { every_four.push_back(s.step); }}});
    REQUIRE(losses.size() == 150);
    CHECK(losses.back() < 1e-3 * losses.front());
    CHECK(every_four == std::vector<std::int64_t>{40, 80, 120, 150});
    CHECK(task.line.bias.item() == doctest::Approx(1).epsilon(0.05));
}

TEST_CASE("steps read the training stream without gaps") {
    Task task;
    train(task.parameters, task.optimizer, task.batch_loss(), {.steps = 3, .batch = 4, .accumulate = 2});
    REQUIRE(task.seen.size() == 24);
    for (std::uint64_t p = 0; p < 24; ++p) CHECK(task.seen[p] == p);
}

TEST_CASE("two accumulated passes make the step of one batch of both") {
    Task whole, halves;
    train(whole.parameters, whole.optimizer, whole.batch_loss(), {.steps = 5, .batch = 8, .schedule = Constant{0.1}});
    train(halves.parameters, halves.optimizer, halves.batch_loss(),
          {.steps = 5, .batch = 4, .accumulate = 2, .schedule = Constant{0.1}});
    const auto a = whole.weights(), b = halves.weights();
    // The same sums in another order: f32 rounding, once per step.
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
}

TEST_CASE("a loss that is not finite stops the run at its step and leaves the weights of the step before") {
    Task task, reference;
    std::int64_t last = 0;
    const auto breaks = [&](Positions positions) {
        const Tensor loss = task.loss(positions);
        return positions.front() == 3 * 4 ? loss * -std::numeric_limits<double>::quiet_NaN() : loss;
    };
    std::string message;
    try {
        train(task.parameters, task.optimizer, breaks, {.steps = 10, .batch = 4},
              {{.every = 1, .run = [&](const TrainedStep& s) { last = s.step; }}});
    } catch (const Error& error) { message = error.what(); }
    CHECK(message.find("step 4: the loss is nan;") != std::string::npos);    // whatever its sign
    CHECK(message.find("the weights of step 3 are kept") != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
    CHECK(last == 3);
    train(reference.parameters, reference.optimizer, reference.batch_loss(), {.steps = 3, .batch = 4});
    CHECK(task.weights() == reference.weights());
}

TEST_CASE("a gradient that is not finite stops the run and changes nothing") {
    Task task;
    // The loss is finite; its gradient, 1e30 · 1e30 in f32, is not.
    const auto steep = [&](Positions positions) { return task.loss(positions) * 0.0 + task.line.bias.reshape({}) * 1e30 * 1e30; };
    const auto before = task.weights();
    CHECK_THROWS_AS(train(task.parameters, task.optimizer, steep, {.steps = 2, .batch = 4}), Error);
    CHECK(task.weights() == before);
}

TEST_CASE("a gradient that is not finite leaves running statistics as they were before its step") {
    BatchNorm norm(2);
    Parameters parameters(norm);
    AdamW optimizer;
    bool breaks = false;
    const auto loss = [&](Positions positions) {
        const Tensor out = mean(norm.train(images_at(positions)));
        return breaks ? out * 0.0 + norm.bias.slice(0, 0, 1).reshape({}) * 1e30 * 1e30 : out;    // finite, but not its gradient
    };
    train(parameters, optimizer, loss, {.steps = 2, .batch = 4});
    const std::vector<double> means = norm.running_mean.tensor.values(), variances = norm.running_var.tensor.values();
    REQUIRE(means[0] != 0);
    norm.bias.data<float>()[0] = 0;
    breaks = true;
    for (const int accumulate : {1, 3}) {
        CHECK_THROWS_AS(train(parameters, optimizer, loss, {.steps = 3, .first_step = 2, .batch = 4, .accumulate = accumulate}),
                        NotFinite);
        CHECK(norm.running_mean.tensor.values() == means);
        CHECK(norm.running_var.tensor.values() == variances);
    }
}

TEST_CASE("every accumulated pass moves the running statistics once, in the order of the stream") {
    BatchNorm norm(2), by_hand(2);
    Parameters parameters(norm);
    AdamW optimizer;
    const auto loss = [&](Positions positions) { return mean(norm.train(images_at(positions))); };
    train(parameters, optimizer, loss, {.steps = 2, .batch = 4, .accumulate = 3});
    for (std::uint64_t first = 0; first < 24; first += 4)
        by_hand.train(images_at(std::vector{first, first + 1, first + 2, first + 3}));
    CHECK(norm.running_mean.tensor.values() == by_hand.running_mean.tensor.values());
    CHECK(norm.running_var.tensor.values() == by_hand.running_var.tensor.values());
}

TEST_CASE("a run that starts at a later step goes on in the stream and in the schedule") {
    Task task;
    std::vector<double> rates;
    train(task.parameters, task.optimizer, task.batch_loss(),
          {.steps = 6,
           .first_step = 4,
           .batch = 2,
           .schedule =
               [](std::int64_t step) {
                   return Rate{1e-3 * double(step), {}};
               }},
          {{.every = 1, .run = [&](const TrainedStep& s) { rates.push_back(s.learning_rate); }}});
    CHECK(rates == std::vector<double>{4e-3, 5e-3});
    CHECK(task.seen == std::vector<std::uint64_t>{8, 9, 10, 11});
}

TEST_CASE("a wish to stop is granted after the step and its hooks, and says how many steps are made") {
    Task task;
    std::vector<std::int64_t> seen;
    const TrainerOptions options{.steps = 10, .batch = 4, .stop = [](std::int64_t made) { return made == 4; }};
    const std::vector<Hook> hooks{{.every = 1, .run = [&](const TrainedStep& s) { seen.push_back(s.step); }},
                                  {.every = 3, .run = [&](const TrainedStep& s) { seen.push_back(100 * s.step); }}};
    CHECK(train(task.parameters, task.optimizer, task.batch_loss(), options, hooks) == 4);
    CHECK(seen == std::vector<std::int64_t>{1, 2, 3, 300, 4});    // the fourth is not the last of the ten
    CHECK(train(task.parameters, task.optimizer, task.batch_loss(), {.steps = 10, .first_step = 4, .batch = 4}) == 10);
}

TEST_CASE("measuring the speed learns nothing") {
    Task task;
    const auto before = task.weights();
    CHECK(seconds_per_step(task.parameters, task.batch_loss(), {.steps = 1, .batch = 4}) > 0);
    CHECK(task.weights() == before);
}

TEST_CASE("the trainer refuses no steps and empty batches") {
    Task task;
    CHECK_THROWS_AS(train(task.parameters, task.optimizer, task.batch_loss(), {.steps = 0}), Error);
    CHECK_THROWS_AS(train(task.parameters, task.optimizer, task.batch_loss(), {.batch = 0}), Error);
    CHECK_THROWS_AS(train(task.parameters, task.optimizer, task.batch_loss(), {.accumulate = 0}), Error);
}
