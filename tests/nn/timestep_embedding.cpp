#include "nn/layers/timestep_embedding.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/files.h"

namespace lull {
namespace {

TEST_CASE("the embedding of a time is cos(t ω), then sin(t ω), or the other way round") {
    const std::vector<double> times = {-1.5, 0, 0.25, 700};
    for (const bool flip : {true, false}) {
        for (const double shift : {0.0, 1.0}) {
            const Tensor y = sinusoidal_embedding(from_values(times, {4}), 6, {.flip_sin_to_cos = flip, .freq_shift = shift});
            REQUIRE(y.shape() == Shape{4, 6});
            const std::vector<double> values = y.values();
            for (std::size_t n = 0; n < 4; ++n) {
                for (std::size_t i = 0; i < 3; ++i) {
                    const double phase = times[n] * std::pow(10000, -static_cast<double>(i) / (3 - shift));
                    const double first = values[6 * n + i], second = values[6 * n + 3 + i];
                    // f32: a phase of 700 is rounded by up to 3e-5.
                    CHECK(std::abs((flip ? first : second) - std::cos(phase)) < 4e-5);
                    CHECK(std::abs((flip ? second : first) - std::sin(phase)) < 4e-5);
                }
            }
        }
    }
}

TEST_CASE("an odd width and a time that is no vector are refused") {
    CHECK(test::error_of([] { sinusoidal_embedding(zeros({2}), 7); }) == "[sinusoidal_embedding] expected an even width, got 7");
    CHECK(test::error_of([] {
              sinusoidal_embedding(zeros({2, 1}), 8);
          }) == "[sinusoidal_embedding] expected time (N) floating, got f32 (2, 1)");
}

}    // namespace
}    // namespace lull
