#include "engine/ops/adamw/adamw.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/cuda/runtime.h"
#include "engine/io/safetensors.h"
#include "engine/threads.h"
#include "tests/support/error_of.h"
#include "tests/support/files.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

struct State {
    Tensor weights, m, v, ema;
    explicit State(const Tensor& start)
        : weights(start.clone()), m(zeros_like(start)), v(zeros_like(start)), ema(start.clone()) {}
    void step(const Tensor& grad, const AdamWStep& numbers, const Tensor& loss = {}) {
        adamw_step(weights, grad, m, v, ema, square_sum(grad), loss, numbers);
    }
};

// Step t (from 1) with constant β.
AdamWStep numbers_of(int t, AdamWStep base) {
    base.beta1_power = std::pow(base.beta1, t);
    base.beta2_power = std::pow(base.beta2, t);
    return base;
}

}    // namespace

// 2e-6: five steps of a few f32 roundings each, in another order than PyTorch's.
TEST_CASE("five clipped AdamW steps with a moving average are PyTorch's") {
    const auto known = load_safetensors(source_dir() / "tests/golden/adamw.safetensors").tensors;
    const AdamWStep base{.learning_rate = 4e-3,
                         .beta1 = 0.9,
                         .beta2 = 0.99,
                         .eps = 1e-5,
                         .weight_decay = 0.01,
                         .decayed = 100,
                         .max_norm = 1,
                         .ema_decay = 0.9};
    State state(known.at("weights0"));
    for (int t = 1; t <= 5; ++t) {
        CAPTURE(t);
        const auto row = [&](const char* name) { return known.at(name).slice(0, t - 1, t).reshape({-1}); };
        const Tensor grad = row("grads");
        CHECK(global_norm(grad) == doctest::Approx(row("norms").item()).epsilon(1e-6));
        state.step(grad, numbers_of(t, base));
        CHECK(relative_error(state.weights, row("weights")) <= 2e-6);
        CHECK(relative_error(state.m, row("exp_avg")) <= 2e-6);
        CHECK(relative_error(state.v, row("exp_avg_sq")) <= 2e-6);
        CHECK(relative_error(state.ema, row("ema")) <= 2e-6);
    }
}

TEST_CASE("the first step moves every weight by the learning rate, against its gradient") {
    const Tensor grad = from_values({1e-3, -5, 100, 0}, {4});
    State state(zeros({4}));
    state.step(grad, numbers_of(1, {.learning_rate = 0.1, .eps = 1e-12}));
    const auto w = state.weights.values();
    CHECK(w[0] == doctest::Approx(-0.1));
    CHECK(w[1] == doctest::Approx(0.1));
    CHECK(w[2] == doctest::Approx(-0.1));
    CHECK(w[3] == 0);
}

TEST_CASE("only the first elements decay, wherever the border lies") {
    for (const std::int64_t decayed : {0, 1, 5, 64, 100, 20000, 20003}) {
        CAPTURE(decayed);
        State state(ones({20003}));
        state.step(zeros({20003}), numbers_of(1, {.learning_rate = 0.5, .weight_decay = 0.5, .decayed = decayed}));
        const auto w = state.weights.values();
        std::int64_t fewer = 0;
        for (std::int64_t i = 0; i < 20003; ++i) fewer += w[static_cast<std::size_t>(i)] == (i < decayed ? 0.75 : 1.0);
        CHECK(fewer == 20003);
    }
}

TEST_CASE("the moving average follows, or is absent") {
    State state(ones({70}));
    state.ema = zeros({70});
    state.step(zeros({70}), numbers_of(1, {.ema_decay = 0.75}));
    CHECK(state.ema.values() == std::vector<double>(70, 0.25));

    State with(uniform_values({70}, -1, 1, 1)), without = with;
    without.weights = with.weights.clone();
    without.m = with.m.clone();
    without.v = with.v.clone();
    without.ema = Tensor();
    const Tensor grad = uniform_values({70}, -1, 1, 2);
    with.step(grad, numbers_of(1, {.ema_decay = 0.9}));
    without.step(grad, numbers_of(1, {}));
    CHECK(same_bits(with.weights, without.weights));
}

TEST_CASE("a step gives the same bits with any number of threads, and bumps the versions") {
    const Tensor start = uniform_values({70001}, -1, 1, 1), grad = uniform_values({70001}, -1, 1, 2);
    const int before = thread_count();
    std::vector<State> states;
    std::vector<double> norms;
    for (const int threads : {1, 2}) {
        set_thread_count(threads);
        states.emplace_back(start);
        const auto version = states.back().weights.storage()->version(), ema_version = states.back().ema.storage()->version();
        norms.push_back(global_norm(grad));
        states.back().step(grad, numbers_of(3, {.weight_decay = 0.1, .decayed = 40000, .ema_decay = 0.9}));
        CHECK(states.back().weights.storage()->version() == version + 1);
        CHECK(states.back().ema.storage()->version() == ema_version + 1);
    }
    set_thread_count(before);
    CHECK(norms[0] == norms[1]);
    CHECK(same_bits(states[0].weights, states[1].weights));
    CHECK(same_bits(states[0].m, states[1].m));
    CHECK(same_bits(states[0].v, states[1].v));
    CHECK(same_bits(states[0].ema, states[1].ema));
}

TEST_CASE("the norm of a gradient") {
    CHECK(global_norm(from_values({3, 4}, {2})) == 5);
    CHECK(global_norm(zeros({5})) == 0);
    CHECK(global_norm(empty({0})) == 0);
    CHECK(global_norm(full({1 << 18}, 1e25)) == doctest::Approx(512e25));    // squares beyond f32
    CHECK(std::isinf(global_norm(from_values({1, std::numeric_limits<double>::infinity()}, {2}))));
    CHECK(std::isnan(global_norm(from_values({1, std::nan("")}, {2}))));
}

TEST_CASE("a norm or a loss that is not finite leaves everything as it was") {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const Device device : {Device::cpu, Device::cuda}) {
        if (device == Device::cuda && !cuda::available()) continue;
        CAPTURE(device);
        const auto on_device = [&](const Tensor& x) { return x.to(device); };
        const Tensor start = on_device(uniform_values({70}, -1, 1, 1)), fine = on_device(uniform_values({70}, -1, 1, 2));
        State state(start);
        for (const double bad : {infinity, -infinity, std::nan("")}) {
            std::vector<double> values(70, 1);
            values[69] = bad;
            state.step(on_device(from_values(values, {70})), numbers_of(1, {.max_norm = 1, .ema_decay = 0.5}));
            state.step(fine, numbers_of(1, {.ema_decay = 0.5}), on_device(scalar(bad)));
        }
        CHECK(same_bits(state.weights, start));
        CHECK(same_bits(state.ema, start));
        CHECK(same_bits(state.m, zeros({70})));
        CHECK(same_bits(state.v, zeros({70})));
        state.step(fine, numbers_of(1, {.ema_decay = 0.5}), on_device(scalar(1)));
        CHECK(!same_bits(state.weights, start));
    }
}

// The sum of squares is f64's on both sides. A step is a few f32 roundings in one order or another, and eps keeps the quotient
// of the moments from being one of two roundings where the gradient is nearly nothing.
TEST_CASE("a step on CUDA is the CPU's") {
    if (!cuda::available()) return;
    for (const std::int64_t n : {1, 70, 20003, 70001}) {
        CAPTURE(n);
        const Tensor start = uniform_values({n}, -1, 1, 1);
        State here(start), there(start.to(Device::cuda));
        for (int t = 1; t <= 3; ++t) {
            const Tensor grad = uniform_values({n}, -1, 1, static_cast<unsigned>(1 + t));
            const AdamWStep numbers = numbers_of(
                t, {.eps = 1e-5, .weight_decay = 0.1, .decayed = n / 2, .gradient_scale = 0.5, .max_norm = 1, .ema_decay = 0.9});
            CHECK(global_norm(grad.to(Device::cuda)) == doctest::Approx(global_norm(grad)).epsilon(1e-14));
            here.step(grad, numbers);
            there.step(grad.to(Device::cuda), numbers);
        }
        CHECK(relative_error(there.weights, here.weights) <= 1e-6);
        CHECK(relative_error(there.m, here.m) <= 1e-6);
        CHECK(relative_error(there.v, here.v) <= 1e-6);
        CHECK(relative_error(there.ema, here.ema) <= 1e-6);
    }
    CHECK(global_norm(full({1 << 16}, 1e25, DType::f32, Device::cuda)) == doctest::Approx(256e25));    // squares beyond f32
    CHECK(global_norm(empty({0}, DType::f32, Device::cuda)) == 0);
}

TEST_CASE("adamw refuses buffers that do not match") {
    State state(ones({4}));
    CHECK(error_of([&] { state.step(ones({5}), numbers_of(1, {})); }) ==
          "[adamw] expected the gradient to be contiguous, f32, (4,), got f32 (5,)");
    CHECK_THROWS_AS(state.step(ones({4}, DType::f64), numbers_of(1, {})), Error);
    CHECK_THROWS_AS(state.step(ones({4}), numbers_of(1, {.eps = 0})), Error);
    CHECK_THROWS_AS(state.step(ones({4}), numbers_of(0, {})), Error);
    CHECK_THROWS_AS(state.step(ones({4}), numbers_of(1, {.decayed = 5})), Error);
    CHECK(state.weights.values() == std::vector<double>(4, 1));
}
