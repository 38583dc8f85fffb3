#include "engine/ops/mse/mse.h"

#include <doctest/doctest.h>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("weighted mean squared error") {
    run({"mse",
         [](const Inputs& in) { return mse(in[0], in[1], in[2]); },
         {.shapes = {{{2, 4, 4, 3}, {2, 4, 4, 3}, {2, 1, 1, 1}}, {{5}, {5}, {5}}, {{3, 70, 90}, {3, 70, 90}, {3, 1, 1}}},
          .golden = "mse",
          .no_gradient = {1, 2}}});
}

TEST_CASE("without a weight every image counts alike") {
    run({"mse",
         [](const Inputs& in) { return mse(in[0], in[1]); },
         {.shapes = {{{2, 4, 3}, {2, 4, 3}}, {{1, 1}, {1, 1}}}, .no_gradient = {1}}});
}

TEST_CASE("mse is what its parts compute") {
    const Tensor p = uniform_values({4, 5, 6, 3}, -2, 2, 1, DType::f64), t = uniform_values(p.shape(), -2, 2, 2, DType::f64);
    const Tensor w = uniform_values({4, 1, 1, 1}, 0.1, 9, 3, DType::f64);
    CHECK(mse(p, t, w).item() == doctest::Approx(mean(w * sq(p - t)).item()).epsilon(1e-14));
}

TEST_CASE("target and weight get no gradient") {
    Tensor p = ones({2, 3}), t = zeros({2, 3}), w = ones({2, 1});
    for (Tensor* x : {&p, &t, &w}) x->requires_grad();
    mse(p, t, w).backward();
    CHECK(p.grad().values() == std::vector<double>(6, static_cast<double>(1.f / 3)));
    CHECK(!t.grad().defined());
    CHECK(!w.grad().defined());
}

TEST_CASE("mse refuses shapes that would broadcast") {
    const Tensor images = ones({4, 2, 2, 1});
    CHECK(error_of([&] {
              mse(images, ones({4, 1, 1, 1}));
          }) == "[mse] expected a target like the prediction, got f32 (4, 2, 2, 1) and f32 (4, 1, 1, 1)");
    CHECK(error_of([&] { mse(images, images, ones({4})); }) == "[mse] expected a weight f32 (4, 1, 1, 1), got f32 (4,)");
    CHECK_THROWS_AS(mse(images, ones({4, 2, 2, 1}, DType::f64)), Error);
    CHECK_THROWS_AS(mse(empty({0, 3}), empty({0, 3})), Error);
}
