#include "engine/ops/embedding/embedding.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/cuda/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("embedding looks rows up and adds their gradients up") {
    const Tensor index = from_values({4, 0, 4, 1, 4, 0}, {2, 3}, DType::i64);    // row 4 thrice, rows 2 and 3 never
    const auto look_up = [index](const Inputs& in) {
        return embedding(in[0], (in.size() > 1 ? in[1] : index).to(in[0].device()));
    };
    run({"embedding", look_up, {.shapes = {{{5, 3}}, {{5, 64}}, {{7, 1}}}, .golden = "embedding"}});
}

TEST_CASE("an index of any shape and integer type") {
    const Tensor table = from_values({0, 1, 10, 11, 20, 21}, {3, 2});
    const Tensor one = embedding(table, from_values({2}, {}, DType::i32));
    CHECK(one.shape() == Shape{2});
    CHECK(one.values() == std::vector<double>{20, 21});
    const Tensor turned = from_values({0, 1, 2, 1}, {2, 2}, DType::i64).transpose(0, 1);
    CHECK(embedding(table, turned).values() == std::vector<double>{0, 1, 20, 21, 10, 11, 10, 11});
    CHECK(embedding(table, empty({0, 4}, DType::i64)).shape() == Shape{0, 4, 2});
}

TEST_CASE("embedding refuses indices outside the table") {
    const Tensor table = ones({3, 2});
    CHECK(error_of([&] {
              embedding(table, from_values({0, 3}, {2}, DType::i64));
          }) == "[embedding] expected indices in [0, 3), got 3");
    CHECK_THROWS_AS(embedding(table, from_values({-1}, {1}, DType::i32)), Error);
    CHECK_THROWS_AS(embedding(table, from_values({1}, {1})), Error);
    CHECK_THROWS_AS(embedding(ones({3}), from_values({1}, {1}, DType::i64)), Error);
}

TEST_CASE("on CUDA a row that is not in the table is NaN, and an error when a value is read") {
    if (!cuda::available()) return;
    const Tensor table = ones({3, 2}, DType::f32, Device::cuda);
    const Tensor y = embedding(table, from_values({2, 3, -1}, {3}, DType::i64).to(Device::cuda));
    CHECK(error_of([&] { y.values(); }) == "[embedding] expected indices in [0, 3), got 3 for row 1");
    const auto rows = y.values();
    for (std::size_t i = 0; i < 6; ++i) CHECK(std::isnan(rows[i]) == (i / 2 != 0));
}
