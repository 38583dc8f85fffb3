#include "engine/ops/batch_norm/batch_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/ops/bf16.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

std::vector<std::vector<Shape>> shapes(std::size_t per_channel) {
    std::vector<std::vector<Shape>> list;
    for (const Shape& x :
         {Shape{2, 5, 3, 8}, Shape{7, 20}, Shape{17, 2, 36}, Shape{2, 1}, Shape{1, 2, 2, 3}, Shape{40, 9, 9, 5}}) {
        list.push_back({x});
        for (std::size_t i = 0; i < per_channel; ++i) list.back().push_back({x[-1]});
    }
    return list;
}

}    // namespace

TEST_CASE("batch_norm while training") {
    // Two elements per channel have ±1 whatever they are, but for eps: a gradient of nearly 0, against terms of 1 that cancel.
    run({"batch_norm_train",
         [](const Inputs& in) { return batch_norm_train(in[0], in[1], in[2], 0.1).y; },
         {.shapes = shapes(2), .golden = "batch_norm_train"}});
}

TEST_CASE("batch_norm in evaluation") {
    // The statistics stay f32 where x is bf16.
    run({"batch_norm_eval",
         [](const Inputs& in) { return batch_norm_eval(in[0], in[1], in[2], wide(in[3]), sq(wide(in[4])) + 0.5); },
         {.shapes = shapes(4), .golden = "batch_norm_eval", .no_gradient = {3, 4}, .per_image = {0}}});
}

TEST_CASE("batch_norm's statistics are the batch's mean and biased variance, however far from 0 it lies") {
    const Tensor x = uniform_values({6, 5, 4, 3}, -1, 1, 1, DType::f64).to(DType::f32) + 1000.;
    const auto result = batch_norm_train(x, ones({3}), zeros({3}));
    const Tensor wide_x = x.to(DType::f64), centre = mean(wide_x, {0, 1, 2});
    CHECK(relative_error(result.mean, centre.reshape({3})) < 1e-6);
    CHECK(relative_error(result.variance, mean(sq(wide_x - centre), {0, 1, 2}).reshape({3})) < 1e-6);
    // x has a spacing of 6e-5 at 1000, and so has the mean; the standard deviation is 0.58: 1e-4 of it.
    CHECK(relative_error(mean(result.y.to(DType::f64), {0, 1, 2}) + 1., ones({1, 1, 1, 3}, DType::f64)) < 2e-4);
    CHECK(relative_error(mean(sq(result.y.to(DType::f64)), {0, 1, 2}), ones({1, 1, 1, 3}, DType::f64)) < 2e-4);
}

TEST_CASE("batch_norm of bf16 keeps its statistics in f32") {
    const Tensor x = uniform_values({9, 4}, -2, 2, 3, DType::bf16), one = ones({4}, DType::bf16), none = zeros({4}, DType::bf16);
    const auto result = batch_norm_train(x, one, none);
    CHECK(result.y.dtype() == DType::bf16);
    CHECK(result.mean.dtype() == DType::f32);
    CHECK(same_bits(result.variance, batch_norm_train(wide(x), ones({4}), zeros({4})).variance));
}

TEST_CASE("batch_norm refuses what it cannot normalise") {
    CHECK(error_of([] {
              batch_norm_train(ones({1, 3}), ones({3}), zeros({3}));
          }) == "[batch_norm] expected more than one element per channel while training, got f32 (1, 3)");
    CHECK(error_of([] {
              batch_norm_train(ones({4, 3}), ones({2}), zeros({3}));
          }) == "[batch_norm] expected weight f32 (3,), got f32 (2,)");
    CHECK(error_of([] {
              batch_norm_eval(ones({4, 3}), ones({3}), zeros({3}), zeros({3}), ones({3}, DType::f64));
          }) == "[batch_norm] expected variance f32 (3,), got f64 (3,)");
    CHECK_THROWS_AS(batch_norm_train(ones({4}), ones({4}), zeros({4})), Error);
    CHECK_THROWS_AS(batch_norm_train(ones({4, 3}, DType::i32), ones({3}), zeros({3})), Error);
}
