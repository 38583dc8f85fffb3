#include "diffusion/noise_range.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace lull;

namespace {

// Black images but for the last one, which is white.
ImageDataset black_and_white(std::int64_t n, std::int64_t side) {
    Tensor pixels = zeros({n, side, side, 1}, DType::u8);
    std::uint8_t* last = pixels.data<std::uint8_t>() + (n - 1) * side * side;
    std::fill_n(last, side * side, std::uint8_t{255});
    return {.name = "", .pixels = pixels};
}

}    // namespace

TEST_CASE("noise range: the largest distance is that of the two images furthest apart") {
    // Black and white 8×8 images in [-1, 1]: √(64 · 2²).
    CHECK(largest_distance(black_and_white(5, 8)) == doctest::Approx(16));
    CHECK(largest_distance(black_and_white(5, 8).range(0, 1)) == doctest::Approx(8));
    CHECK(largest_distance(black_and_white(1, 8)) == 0);
    // Ten of a thousand, evenly: 0, 100, …, 900, so not the last.
    CHECK(largest_distance(black_and_white(1000, 8), 10) == 0);
    CHECK(largest_distance(black_and_white(1000, 8), 5000) == doctest::Approx(16));
}

TEST_CASE("noise range: EDM's numbers, unless images lie further apart or spread otherwise") {
    const NoiseRange small = suggest_noise_range(black_and_white(2, 8));    // standard deviation 1
    CHECK(small.sigma_min == 0.002);
    CHECK(small.sigma_max == 80);
    CHECK(small.training.mean == doctest::Approx(-1.2 + std::log(2.0)));
    CHECK(small.training.std == 1.2);
    const NoiseRange half = suggest_noise_range(black_and_white(2, 8).range(0, 1));    // 0.5: as EDM's data
    CHECK(half.training.mean == doctest::Approx(-1.2));
    CHECK(half.sigma_min == 0.001);
    CHECK(suggest_noise_range(black_and_white(2, 64)).sigma_max == doctest::Approx(130));    // √(4096 · 4) = 128
    const NoiseRange nothing = suggest_noise_range(black_and_white(1, 8).first(1));
    CHECK(nothing.training.mean == -1.2);    // no spread: nothing to follow
}
