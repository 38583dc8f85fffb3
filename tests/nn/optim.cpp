#include "nn/optim.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "engine/io/safetensors.h"
#include "engine/ops/copy/copy.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

namespace lull {
namespace {

struct Matrix {
    Tensor weight;    // two axes: with weight decay

    template <class V>
    void visit(V& v) {
        v("weight", weight);
    }
};

TEST_CASE("five clipped steps of AdamW with EMA are PyTorch's") {
    const auto golden = load_safetensors(test::source_dir() / "tests/golden/adamw.safetensors").tensors;
    Matrix model{golden.at("weights0").reshape({10, 10})};
    Parameters parameters(model);
    AdamW optimizer({.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-5, .weight_decay = 0.01, .max_norm = 1});
    for (int step = 0; step < 5; ++step) {
        const auto row = [&](const char* name) { return golden.at(name).slice(0, step, step + 1).reshape({100}); };
        const auto flat = [](const Tensor& buffer) { return buffer.slice(0, 0, 100); };
        copy(row("grads"), flat(parameters.gradients));
        const StepReport report = optimizer.step(parameters, {.learning_rate = 4e-3, .beta1 = {}}, 0.9);
        CHECK(optimizer.steps == step + 1);
        CHECK(report.gradient_norm() ==
              doctest::Approx(golden.at("norms").values()[static_cast<std::size_t>(step)]).epsilon(1e-6));
        // Both sides round to f32 a few times per step, in another order: some 1e-7 of the largest element.
        CHECK(test::relative_error(flat(parameters.weights), row("weights")) < 1e-6);
        CHECK(test::relative_error(flat(parameters.first_moment), row("exp_avg")) < 1e-6);
        CHECK(test::relative_error(flat(parameters.second_moment), row("exp_avg_sq")) < 1e-6);
        CHECK(test::relative_error(flat(parameters.ema), row("ema")) < 1e-6);
    }
    CHECK(optimizer.steps == 5);
}

TEST_CASE("a one-cycle run of AdamW is PyTorch's, whose bias correction follows the cycled momentum") {
    const auto golden = load_safetensors(test::source_dir() / "tests/golden/one_cycle.safetensors").tensors;
    const Tensor& grads = golden.at("run_grads");
    Matrix model{golden.at("run_weights0").reshape({2, 5})};
    Parameters parameters(model);
    AdamW optimizer({.beta2 = 0.99, .eps = 1e-5});
    const OneCycle schedule{.max_lr = 4e-3, .total_steps = grads.size(0)};
    for (std::int64_t step = 0; step < grads.size(0); ++step) {
        CAPTURE(step);
        const auto row = [&](const char* name) { return golden.at(name).slice(0, step, step + 1).reshape({10}); };
        const auto flat = [](const Tensor& buffer) { return buffer.slice(0, 0, 10); };
        copy(row("run_grads"), flat(parameters.gradients));
        optimizer.step(parameters, schedule(step), 0);
        // f32 as above. Correcting by the product of all β₁ instead would move the last weights by 1e-3.
        CHECK(test::relative_error(flat(parameters.weights), row("run_weights")) < 1e-6);
    }
}

TEST_CASE("a gradient that is not finite changes nothing and is reported") {
    Matrix model{full({2, 2}, 3)};
    Parameters parameters(model);
    AdamW optimizer;
    const auto version = parameters.weights.storage()->version();
    parameters.gradients.data<float>()[1] = INFINITY;
    const StepReport report = optimizer.step(parameters, {.learning_rate = 1, .beta1 = {}}, 0.5);
    CHECK_FALSE(std::isfinite(report.gradient_norm()));
    CHECK(model.weight.values() == std::vector<double>(4, 3));
    CHECK(optimizer.steps == 0);
    CHECK(parameters.weights.storage()->version() == version);
}

TEST_CASE("a first step goes by the learning rate against the gradient's sign, whatever the gradient's scale") {
    for (const double scale : {1.0, 0.25}) {
        Matrix model{full({2, 2}, 3)};
        Parameters parameters(model);
        for (int i = 0; i < 4; ++i) parameters.gradients.data<float>()[i] = i % 2 ? 8.0f : -8.0f;
        AdamW optimizer;
        CHECK(optimizer.step(parameters, {.learning_rate = 0.5, .beta1 = 0.95}, 0, scale).gradient_norm() ==
              doctest::Approx(16 * scale));
        for (int i = 0; i < 4; ++i)
            CHECK(parameters.weights.values()[static_cast<std::size_t>(i)] == doctest::Approx(i % 2 ? 2.5 : 3.5));
        CHECK(parameters.ema.values()[0] == doctest::Approx(3.5));    // decay 0: the weights themselves
        CHECK(parameters.weights.values()[4] == 0);                   // padding stays zero
    }
}

}    // namespace
}    // namespace lull
