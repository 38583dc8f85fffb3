#include "engine/ops/group_norm/group_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/elementwise/elementwise.h"
#include "tests/support/op_case.h"

namespace {

using namespace lull;
using namespace lull::test;

OpCases norm_cases(const std::string& golden, Activation activation) {
    const auto shapes = [](const Shape& x) { return std::vector<Shape>{x, {x[-1]}, {x[-1]}}; };
    return {golden,
            [activation](const Inputs& in) { return group_norm(in[0], in[1], in[2], {.groups = 4, .activation = activation}); },
            {.shapes = {shapes({2, 5, 3, 8}), shapes({3, 7, 20}), shapes({17, 2, 36}), shapes({1, 2, 2, 4}),
                        shapes({2, 6, 7, 96}), shapes({1, 90, 80, 8})},
             .golden = golden}};
}

}    // namespace

TEST_CASE("group_norm") { run(norm_cases("group_norm", Activation::none)); }
TEST_CASE("group_norm with SiLU") { run(norm_cases("group_norm_silu", Activation::silu)); }

TEST_CASE("group_norm brings every group of an image to mean 0 and variance 1, however far from 0 it lies") {
    const std::int64_t C = 24, groups = 8, width = C / groups;
    const Tensor x = uniform_values({2, 9, 9, C}, -1, 1, 1, DType::f32) + 1000.;
    const auto y = group_norm(x, ones({C}), zeros({C}), {.groups = static_cast<int>(groups)}).values();
    for (std::int64_t n = 0; n < 2; ++n) {
        for (std::int64_t g = 0; g < groups; ++g) {
            double sum = 0, squares = 0;
            for (std::int64_t p = 0; p < 81; ++p) {
                for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
                    const double value = y[static_cast<std::size_t>((n * 81 + p) * C + c)];
                    sum += value;
                    squares += sq(value);
                }
            }
            // x has a spacing of 6e-5 at 1000, and a standard deviation of 0.58: 1e-4 of it.
            CHECK(std::abs(sum / (81 * width)) < 2e-4);
            CHECK(std::abs(squares / (81 * width) - 1) < 2e-4);
        }
    }
}

TEST_CASE("group_norm says which groups it expected") {
    CHECK_THROWS_WITH(group_norm(zeros({1, 2, 6}), ones({6}), zeros({6}), {.groups = 4}),
                      "[group_norm] expected groups that divide the 6 channels, got 4");
    CHECK_THROWS_AS(group_norm(zeros({1, 2, 6}), ones({5}), zeros({6}), {.groups = 2}), Error);
    CHECK(group_norm(zeros({0, 2, 6}), ones({6}), zeros({6}), {.groups = 2}).shape() == Shape{0, 2, 6});
}
