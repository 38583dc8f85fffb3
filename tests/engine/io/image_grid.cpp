#include "engine/io/image_grid.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

TEST_CASE("image_grid: images stand row by row with padding between and around them") {
    // Three images of 1×2 pixels in two columns.
    const Tensor images = from_values({-1, 1, 0, -1, 1, 1}, {3, 1, 2, 1});
    const Tensor grid = image_grid(images, {.columns = 2, .padding = 1, .scale = 1, .background = 7});
    CHECK(grid.dtype() == DType::u8);
    REQUIRE(grid.shape() == Shape{5, 7, 1});
    CHECK(grid.values() == std::vector<double>{7, 7,   7,   7, 7,   7, 7,    //
                                               7, 0,   255, 7, 128, 0, 7,    //
                                               7, 7,   7,   7, 7,   7, 7,    //
                                               7, 255, 255, 7, 7,   7, 7,    //
                                               7, 7,   7,   7, 7,   7, 7});
}

TEST_CASE("image_grid: scale repeats pixels, and channels stay together") {
    const Tensor image = from_values({-1, 0, 1, 1, 0, -1}, {1, 1, 2, 3});
    const Tensor grid = image_grid(image, {.columns = 0, .padding = 0, .scale = 2, .background = 7});
    REQUIRE(grid.shape() == Shape{2, 4, 3});
    const std::vector<double> row{0, 128, 255, 0, 128, 255, 255, 128, 0, 255, 128, 0};
    std::vector<double> both = row;
    both.insert(both.end(), row.begin(), row.end());
    CHECK(grid.values() == both);
}

TEST_CASE("image_grid: the default is about square") {
    const GridOptions bare{.columns = 0, .padding = 0, .scale = 1, .background = 0};
    CHECK(image_grid(zeros({64, 4, 4, 1}), bare).shape() == Shape{32, 32, 1});
    CHECK(image_grid(zeros({10, 4, 4, 1}), bare).shape() == Shape{12, 16, 1});
    CHECK(image_grid(zeros({1, 4, 4, 1}), bare).shape() == Shape{4, 4, 1});
    CHECK(image_grid(zeros({2, 4, 4, 1}), {.columns = 9, .padding = 0}).shape() == Shape{4, 8, 1});
}

TEST_CASE("image_grid: values out of range are clamped, NaN is black") {
    const double inf = std::numeric_limits<double>::infinity();
    const Tensor image = from_values({-3, 3, -inf, inf, std::numeric_limits<double>::quiet_NaN()}, {1, 1, 5, 1});
    CHECK(image_grid(image, {.columns = 1, .padding = 0}).values() == std::vector<double>{0, 255, 0, 255, 0});
}

TEST_CASE("image_grid: every byte of an image in [-1, 1] comes back") {
    std::vector<double> values, bytes;
    for (int byte = 0; byte < 256; ++byte) {
        bytes.push_back(byte);
        values.push_back(byte / 127.5 - 1);
    }
    CHECK(image_grid(from_values(values, {1, 16, 16, 1}), {.columns = 1, .padding = 0}).values() == bytes);
}

TEST_CASE("image_grid: only images are taken") {
    CHECK(error_of([] {
              image_grid(zeros({4, 4, 1}));
          }) == "[image_grid] expected images f32 (N, H, W, 1 or 3), got f32 (4, 4, 1)");
    CHECK(error_of([] {
              image_grid(zeros({1, 4, 4, 1}), {.scale = 0});
          }) == "[image_grid] expected columns ≥ 0, padding ≥ 0 and scale ≥ 1, got 0, 2 and 0");
}
