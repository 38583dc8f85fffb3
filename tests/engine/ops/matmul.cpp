#include "engine/ops/matmul/matmul.h"

#include <doctest/doctest.h>

#include "tests/support/op_case.h"

namespace lull::test {

TEST_CASE("matmul") {
    const auto op = [](const Inputs& in) { return matmul(in[0], in[1]); };
    run({"matmul",
         op,
         {.shapes = {{{1, 1}, {1, 1}}, {{3, 3}, {3, 3}}, {{2, 3, 5, 17}, {2, 3, 17, 9}}, {{40, 70}, {70, 33}}},
          .golden = "matmul"}});
    run({"matmul, batched", op, {.shapes = {{{3, 4, 20}, {3, 20, 5}}}, .per_image = {0, 1}}});
}

TEST_CASE("matmul reads either operand transposed") {
    for (const bool a : {false, true}) {
        for (const bool b : {false, true}) {
            const MatmulOptions options{.transpose_a = a, .transpose_b = b};
            const auto shapes = [&](std::int64_t n, std::int64_t m, std::int64_t k, std::int64_t columns) {
                return std::vector<Shape>{a ? Shape{n, k, m} : Shape{n, m, k}, b ? Shape{n, columns, k} : Shape{n, k, columns}};
            };
            run({"matmul, transposed",
                 [&](const Inputs& in) { return matmul(in[0], in[1], options); },
                 {.shapes = {shapes(1, 5, 3, 4), shapes(2, 18, 7, 35)}, .per_image = {0, 1}}});

            const auto in = shapes(2, 5, 3, 4);
            const Tensor x = uniform_values(in[0], -1, 1, 1), y = uniform_values(in[1], -1, 1, 2);
            const Tensor turned = matmul(a ? x.transpose(1, 2) : x, b ? y.transpose(1, 2) : y);
            CHECK(same_bits(matmul(x, y, options), turned));
        }
    }
}

TEST_CASE("matmul says which operand it expected") {
    CHECK_THROWS_WITH(matmul(zeros({2, 3}), zeros({4, 5})), "[matmul] expected b (3, 5) for a f32 (2, 3), got f32 (4, 5)");
    CHECK_THROWS_WITH(matmul(zeros({2, 3}), zeros({3, 4}, DType::f64)),
                      "[matmul] expected operands of one type, got f32 (2, 3) and f64 (3, 4)");
    CHECK_THROWS_WITH(matmul(zeros({3}), zeros({3, 4})),
                      "[matmul] expected two operands of equal rank, at least 2, got f32 (3,) and f32 (3, 4)");
}

}    // namespace lull::test
