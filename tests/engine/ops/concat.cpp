#include "engine/ops/concat/concat.h"

#include <doctest/doctest.h>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("concat along the channels") {
    run({"concat",
         [](const Inputs& in) { return concat(in, -1); },
         {.shapes = {{{2, 3, 4, 5}, {2, 3, 4, 3}}, {{1, 2, 1}, {1, 2, 17}, {1, 2, 4}}, {{3}, {2}}, {{40, 20, 33}, {40, 20, 7}}},
          .golden = "concat"}});
}

TEST_CASE("concat along other axes") {
    run({"concat", [](const Inputs& in) { return concat(in, 0); }, {.shapes = {{{2, 3}, {1, 3}}, {{3, 5}}}}});
    run({"concat",
         [](const Inputs& in) { return concat(in, 1); },
         {.shapes = {{{2, 3, 5}, {2, 1, 5}, {2, 3, 5}}}, .no_gradient = {1}, .per_image = {0, 1, 2}}});
}

TEST_CASE("the parts of a concatenation are slices of it, whatever the type") {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::i32, DType::i64, DType::u8}) {
        const Tensor a = from_values({1, 2, 3, 4}, {2, 2}, dtype), b = from_values({5, 6}, {2, 1}, dtype);
        const Tensor y = concat({a, b}, 1);
        CHECK(y.dtype() == dtype);
        CHECK(y.values() == std::vector<double>{1, 2, 5, 3, 4, 6});
        CHECK(same_bits(y.slice(1, 0, 2), a));
        CHECK(same_bits(y.slice(1, 2, 3), b));
    }
    CHECK(concat({ones({2, 0}), ones({2, 1})}, 1).shape() == Shape{2, 1});
}

TEST_CASE("concat refuses tensors that differ elsewhere") {
    CHECK(error_of([] {
              concat({ones({2, 3}), ones({3, 3})}, 1);
          }) == "[concat] expected tensors that differ along axis 1 only, got f32 (2, 3) and f32 (3, 3)");
    CHECK_THROWS_AS(concat({ones({2, 3}), ones({2})}, 0), Error);
    CHECK_THROWS_AS(concat({ones({2}), ones({2}, DType::f64)}, 0), Error);
    CHECK_THROWS_AS(concat({ones({2})}, 1), Error);
    CHECK_THROWS_AS(concat(std::span<const Tensor>(), 0), Error);
}
