#include "engine/ops/fourier_embedding/fourier_embedding.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "engine/cuda/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

namespace lull::test {

namespace {

Device device() { return cuda::available() ? Device::cuda : Device::cpu; }

}    // namespace

TEST_CASE("the Fourier embedding is sines and cosines of 2π w ln t, after hundreds of turns, too") {
    const std::vector<double> times{0.002, 0.25, 1, 79.5}, frequencies{0, 0.5, -16, 61.25, 300};
    const Tensor t = from_values(times, {4}), w = from_values(frequencies, {5});
    const Tensor y = fourier_embedding(t.to(device()), w.to(device()));
    CHECK(y.dtype() == DType::f32);
    CHECK(y.device() == device());
    REQUIRE(y.shape() == Shape{4, 10});
    const auto values = y.values(), rounded_times = t.values();
    for (std::size_t n = 0; n < 4; ++n) {
        for (std::size_t i = 0; i < 5; ++i) {
            CAPTURE(n);
            CAPTURE(i);
            const double phase = 2 * std::numbers::pi * frequencies[i] * std::log(rounded_times[n]);
            CHECK(std::abs(values[10 * n + i] - std::sin(phase)) < 4e-7);    // a few roundings of f32, near 1
            CHECK(std::abs(values[10 * n + 5 + i] - std::cos(phase)) < 4e-7);
        }
    }
}

TEST_CASE("the Fourier embedding of a time that has no logarithm is an error, or NaN on CUDA") {
    const Tensor t = from_values({1, -0.5, 0}, {3}).to(device()), w = from_values({2}, {1}).to(device());
    if (device() == Device::cpu) {
        CHECK(error_of([&] { fourier_embedding(t, w); }) ==
              "[fourier_embedding] expected times above 0, as their logarithm is embedded, got -0.5");
        return;
    }
    const auto y = fourier_embedding(t, w).values();
    CHECK(y[0] == 0);
    CHECK(y[1] == 1);
    for (std::size_t i = 2; i < 6; ++i) CHECK(std::isnan(y[i]));
}

TEST_CASE("the Fourier embedding takes vectors") {
    CHECK(error_of([] {
              fourier_embedding(zeros({2, 1}), zeros({3}));
          }) == "[fourier_embedding] expected time (N) floating, got f32 (2, 1)");
    CHECK(error_of([] {
              fourier_embedding(zeros({2}), zeros({3, 1}));
          }) == "[fourier_embedding] expected frequencies (h), got f32 (3, 1)");
}

}    // namespace lull::test
