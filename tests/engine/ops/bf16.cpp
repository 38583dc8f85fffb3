// Every operation's values in bf16 are in its own op case; here is what they have in common.
#include "engine/ops/bf16.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("an operation on bf16 is the one in f32 with its result rounded") {
    const Tensor x = uniform_values({2, 4, 4, 8}, -1, 1, 1, DType::bf16), w = uniform_values({8, 3, 3, 8}, -1, 1, 2, DType::bf16);
    const Tensor y = conv2d(x, w, {}, {.padding = 1});
    CHECK(y.dtype() == DType::bf16);
    CHECK(same_bits(y, conv2d(wide(x), wide(w), {}, {.padding = 1}).to(DType::bf16)));
    CHECK(mse(x, x).dtype() == DType::f32);    // losses are not rounded
}

TEST_CASE("through casts gradients reach f32 masters in f32, and several uses of one bf16 tensor add up") {
    Tensor master = from_values({1, 2, 3, 4}, {4});
    master.requires_grad();
    const Tensor half = master.to(DType::bf16);
    sum((half * half + half.slice(0, 0, 4)).to(DType::f32)).backward();
    CHECK(master.grad().dtype() == DType::f32);
    CHECK(master.grad().values() == std::vector<double>{3, 5, 7, 9});
}

TEST_CASE("slices, concatenations and repetitions of bf16 have gradients") {
    Tensor x = from_values({1, 2, 3, 4}, {2, 2}, DType::bf16);
    x.requires_grad();
    const Tensor y = concat({x, x.slice(1, 0, 1), x.slice(0, 1, 2).expand({2, 2})}, 1);
    CHECK(y.values() == std::vector<double>{1, 2, 1, 3, 4, 3, 4, 3, 3, 4});
    mean(wide(y)).backward();
    CHECK(relative_error(x.grad(), from_values({0.2, 0.1, 0.4, 0.3}, {2, 2})) < 0x1p-8);
}

TEST_CASE("operations do not mix bf16 with other types") {
    const Tensor a = ones({2, 2}), b = ones({2, 2}, DType::bf16);
    CHECK(error_of([&] { (void)(a + b); }) == "[add] expected operands of one type, got f32 (2, 2) and bf16 (2, 2)");
    CHECK_THROWS_AS(b * a, Error);
    CHECK_THROWS_AS(linear(b, a), Error);
    CHECK_THROWS_AS(matmul(b, a), Error);
    CHECK_THROWS_AS(mse(b, a), Error);
}
