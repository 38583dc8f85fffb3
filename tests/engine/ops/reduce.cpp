#include "engine/ops/reduce/reduce.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/elementwise/elementwise.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("sums and means over all axes") {
    const std::vector<std::vector<Shape>> shapes = {{{}}, {{1}}, {{7}}, {{2, 3, 5, 7}}, {{3, 20011}}};
    run({"sum", [](const Inputs& in) { return sum(in[0]); }, {.shapes = shapes}});
    run({"mean", [](const Inputs& in) { return mean(in[0]); }, {.shapes = shapes, .golden = "mean_all"}});
}

TEST_CASE("sums and means over the pixels of each image") {
    const std::vector<std::vector<Shape>> shapes = {{{2, 3, 5, 7}}, {{3, 1, 2, 1}}, {{2, 40, 40, 12}}};
    run({"sum",
         [](const Inputs& in) {
             return sum(in[0], {1, 2, 3});
         },
         {.shapes = shapes, .golden = "sum_axes", .per_image = {0}}});
    run({"mean",
         [](const Inputs& in) {
             return mean(in[0], {1, 2, 3});
         },
         {.shapes = shapes, .golden = "mean_axes", .per_image = {0}}});
}

TEST_CASE("sums over the last axis, the first ones, one between, and some that lie apart") {
    const std::vector<std::vector<Shape>> shapes = {{{2, 3, 5, 7}}, {{4, 1, 2, 19}}, {{2, 3, 1, 33}}, {{300, 1, 8, 20}}};
    run({"sum_last",
         [](const Inputs& in) { return sum(in[0], {-1}); },
         {.shapes = shapes, .golden = "sum_last", .per_image = {0}}});
    run({"sum_first", [](const Inputs& in) { return sum(in[0], {0, 1, 2}); }, {.shapes = shapes}});
    run({"sum_between", [](const Inputs& in) { return sum(in[0], {1, 2}); }, {.shapes = shapes, .per_image = {0}}});
    run({"sum_apart", [](const Inputs& in) { return sum(in[0], {0, 2}); }, {.shapes = shapes}});
    run({"sum_ends", [](const Inputs& in) { return mean(in[0], {-1, 0}); }, {.shapes = shapes}});
    run({"sum_none", [](const Inputs& in) { return sum(in[0], std::initializer_list<int>{}); }, {.shapes = shapes}});
}

TEST_CASE("sums over axes equal plain loops") {
    const Tensor x = uniform_values({2, 3, 4, 5}, -1, 1, 1, DType::f64);
    const auto at = [values = x.values()](int n, int h, int w, int c) {
        return values[static_cast<std::size_t>(((n * 3 + h) * 4 + w) * 5 + c)];
    };
    const Tensor y = sum(x, {0, 2});    // (1, 3, 1, 5)
    REQUIRE(y.shape() == Shape{1, 3, 1, 5});
    for (int h = 0; h < 3; ++h) {
        for (int c = 0; c < 5; ++c) {
            double wanted = 0;
            for (int n = 0; n < 2; ++n) {
                for (int w = 0; w < 4; ++w) wanted += at(n, h, w, c);
            }
            CHECK(y.values()[static_cast<std::size_t>(h * 5 + c)] == doctest::Approx(wanted).epsilon(1e-14));
        }
    }
}

// Random values lie further apart than a step of the differences.
TEST_CASE("extremes over all axes and over some") {
    const std::vector<std::vector<Shape>> shapes = {{{2, 3, 5, 7}}, {{3, 1, 2, 1}}, {{2, 1, 3, 40}}};
    run({"max", [](const Inputs& in) { return max(in[0]); }, {.shapes = shapes}});
    run({"min", [](const Inputs& in) { return min(in[0]); }, {.shapes = shapes}});
    run({"max", [](const Inputs& in) { return max(in[0], {1, 2}); }, {.shapes = shapes, .per_image = {0}}});
    run({"min", [](const Inputs& in) { return min(in[0], {-1}); }, {.shapes = shapes, .per_image = {0}}});
    CHECK(max(from_values({-3, -1, -2}, {3})).item() == -1);
    CHECK(min(from_values({3, 1, 2}, {3})).item() == 1);
}

TEST_CASE("equal extremes share the gradient in equal parts") {
    Tensor x = from_values({1, 5, 5, 0, 5, 2, 7, 2}, {2, 4}, DType::f64);
    x.requires_grad();
    sum(max(x, {1}) * from_values({6, 1}, {2, 1}, DType::f64)).backward();
    CHECK(x.grad().values() == std::vector<double>{0, 3, 3, 0, 0, 0, 1, 0});
}

TEST_CASE("a NaN is the extreme, wherever it stands") {
    for (std::size_t at = 0; at < 37; ++at) {
        CAPTURE(at);
        std::vector<double> values(37, 1.0);
        values[at] = std::nan("");
        CHECK(std::isnan(max(from_values(values, {37})).item()));
        CHECK(std::isnan(min(from_values(values, {37, 1}), {0}).item()));
        CHECK(std::isnan(max(from_values(values, {1, 37}), {0, 1}).item()));
    }
}

// Summed in f32 one by one, the terms would stop counting at 2^24.
TEST_CASE("a long f32 sum keeps its small terms") {
    const Tensor x = ones({(1 << 24) + 1000});
    CHECK(sum(x).item() == static_cast<double>(static_cast<float>((1 << 24) + 1000)));
    CHECK(mean(x).item() == 1);
    CHECK(sum(x.reshape({-1, 8}), {0}).values() == std::vector<double>(8, ((1 << 24) + 1000) / 8));
}

TEST_CASE("sum_to undoes a broadcast") {
    const Tensor x = ones({2, 3, 4, 5}, DType::f64);
    CHECK(sum_to(x, {2, 1, 1, 1}).values() == std::vector<double>(2, 60));
    CHECK(sum_to(x, {1, 1, 1, 5}).values() == std::vector<double>(5, 24));
    CHECK(sum_to(x, {}).item() == 120);
    CHECK(sum_to(x, x.shape()).raw() == x.raw());
}

TEST_CASE("reductions of nothing") {
    CHECK(sum(empty({0, 3})).item() == 0);
    CHECK(sum(empty({0, 3}), {0}).values() == std::vector<double>(3, 0));
    CHECK(sum(empty({0, 3}), {1}).shape() == Shape{0, 1});
    CHECK(std::isnan(mean(empty({0})).item()));
    CHECK(max(empty({0, 3}), {1}).shape() == Shape{0, 1});
    CHECK(error_of([] { max(empty({0})); }) == "[max] expected at least one element to choose from, got none");
}

TEST_CASE("reductions refuse wrong axes and types") {
    const Tensor x = ones({2, 3});
    CHECK(error_of([&] { sum(x, {2}); }) == "[shape] no axis 2 in shape (2, 3)");
    CHECK(error_of([&] { mean(x, {1, -1}); }) == "[mean] expected every axis once, got axis -1 again for f32 (2, 3)");
    CHECK(error_of([] { sum(ones({2}, DType::i64)); }) == "[sum] expected a floating tensor, got i64 (2,)");
    CHECK_THROWS_AS(sum(Tensor()), Error);
}
