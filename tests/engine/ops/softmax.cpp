#include "engine/ops/softmax/softmax.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/cuda/runtime.h"
#include "tests/support/op_case.h"

namespace lull::test {

TEST_CASE("softmax") {
    run({"softmax",
         [](const Inputs& in) { return softmax(in[0]); },
         {.shapes = {{{1, 1}}, {{3, 7}}, {{5, 4, 33}}, {{20, 256}}, {{5}}, {{3, 700}}}, .golden = "softmax"}});
    run({"softmax of images", [](const Inputs& in) { return softmax(in[0]); }, {.shapes = {{{3, 2, 19}}}, .per_image = {0}}});
}

// docs/cuda.md steps through this one.
TEST_CASE("softmax of two rows, where there is a device on it") {
    Tensor x = from_values({1, 2, 3, 4, 5, 6, 7, 8}, {2, 4});
    if (cuda::available()) x = x.to(Device::cuda);
    const auto y = softmax(x).values();
    const double sum = 1 + std::exp(1) + std::exp(2) + std::exp(3);
    for (std::size_t i = 0; i < 8; ++i) CHECK(y[i] == doctest::Approx(std::exp(i % 4) / sum).epsilon(1e-6));
}

TEST_CASE("softmax of large numbers neither overflows nor loses its sum") {
    const auto y = softmax(from_values({1e4, 1e4, -1e4, 1e4 - 1}, {1, 4})).values();
    CHECK(y[0] == y[1]);
    CHECK(y[2] == 0);
    CHECK(y[0] == doctest::Approx(1 / (2 + std::exp(-1))).epsilon(1e-6));
    CHECK(y[0] + y[1] + y[2] + y[3] == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("softmax does not see a constant") {
    const Tensor x = uniform_values({3, 21}, -2, 2, 1);
    auto moved = x.values();
    for (double& value : moved) value += 64;
    // f32 has 2^-17 around 64: that much each element moves by rounding, relative to its exponential.
    CHECK(relative_error(softmax(from_values(moved, x.shape())), softmax(x)) < 1e-5);
}

TEST_CASE("softmax says what it expected") {
    CHECK_THROWS_WITH(softmax(scalar(1)), "[softmax] expected a floating tensor with at least one axis, got f32 ()");
    CHECK_THROWS_WITH(softmax(zeros({3}, DType::i32)),
                      "[softmax] expected a floating tensor with at least one axis, got i32 (3,)");
}

}    // namespace lull::test
