#include "engine/ops/linear/linear.h"

#include <doctest/doctest.h>

#include "tests/support/op_case.h"

namespace lull::test {

TEST_CASE("linear") {
    // 2,100 rows: the gradients of weight and bias are sums of two partial sums.
    run({"linear",
         [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
         {.shapes = {{{1, 1}, {1, 1}, {1}},
                     {{2, 3, 8}, {17, 8}, {17}},
                     {{3, 33}, {40, 33}, {40}},
                     {{2100, 3}, {5, 3}, {5}},
                     {{9, 65}, {70, 65}, {70}}},
          .golden = "linear",
          .per_image = {0}}});
    run({"linear without bias",
         [](const Inputs& in) { return linear(in[0], in[1]); },
         {.shapes = {{{5}, {3, 5}}, {{4, 2, 9}, {7, 9}}}}});
}

TEST_CASE("linear says what it expected") {
    CHECK_THROWS_WITH(linear(zeros({2, 3}), zeros({4, 5})), "[linear] expected x (…, 5) for weight f32 (4, 5), got f32 (2, 3)");
    CHECK_THROWS_WITH(linear(zeros({2, 5}), zeros({4, 5}), zeros({5})), "[linear] expected bias f32 (4,), got f32 (5,)");
    CHECK_THROWS_WITH(linear(zeros({2, 5}), zeros({5})), "[linear] expected weight (out, in), got f32 (5,)");
}

}    // namespace lull::test
