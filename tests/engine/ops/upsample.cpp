#include "engine/ops/upsample/upsample.h"

#include <doctest/doctest.h>

#include "tests/support/error_of.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("nearest upsampling") {
    run({"upsample_nearest",
         [](const Inputs& in) { return upsample_nearest(in[0]); },
         {.shapes = {{{2, 3, 4, 5}}, {{1, 1, 1, 1}}, {{3, 2, 5, 33}}}, .golden = "upsample_nearest", .per_image = {0}}});
}

TEST_CASE("other factors") {
    for (const int factor : {1, 3}) {
        run({"upsample_nearest",
             [factor](const Inputs& in) { return upsample_nearest(in[0], factor); },
             {.shapes = {{{2, 3, 4, 5}}, {{1, 2, 1, 17}}}}});
    }
}

TEST_CASE("every pixel is repeated in both directions") {
    const Tensor x = from_values({1, 2, 3, 4}, {1, 2, 2, 1});
    CHECK(upsample_nearest(x).values() == std::vector<double>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4});
}

TEST_CASE("upsampling refuses what is no image") {
    CHECK(error_of([] { upsample_nearest(ones({2, 3, 4})); }) == "[upsample_nearest] expected x (N, H, W, C), got f32 (2, 3, 4)");
    CHECK_THROWS_AS(upsample_nearest(ones({1, 2, 2, 1}), 0), Error);
}
