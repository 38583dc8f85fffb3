#include "apps/lull/film_strip.h"

#include <doctest/doctest.h>

#include <cmath>

#include "apps/lull/labelled_grid.h"
#include "engine/ops/concat/concat.h"
#include "tests/support/compare.h"

using namespace lull;
using namespace lull::test;

namespace {

double pixel(const Tensor& picture, std::int64_t x, std::int64_t y) {
    return picture.slice(0, y, y + 1).slice(1, x, x + 1).slice(2, 0, 1).item();
}

}    // namespace

TEST_CASE("a labelled grid has its images in rows and columns, wider gaps between groups, and titles beside them") {
    // Six images of one pixel: two rows of three.
    const LabelledGrid plain{.images = from_values({-1, 0, 1, 1, -1, 0}, {6, 1, 1, 1}), .columns = 3, .scale = 4};
    const Tensor picture = draw(plain);
    CHECK(picture.shape() == Shape{10 + 4 + 2 + 4 + 10, 10 + 3 * 4 + 2 * 2 + 10, 3});
    const double expected[2][3] = {{0, 128, 255}, {255, 0, 128}};
    for (std::int64_t row = 0; row < 2; ++row)
        for (std::int64_t column = 0; column < 3; ++column)
            CHECK(pixel(picture, 10 + 6 * column + 3, 10 + 6 * row + 3) == expected[row][column]);

    LabelledGrid titled{.images = zeros({4, 8, 8, 3}), .columns = 2, .row_group = 1, .column_group = 1, .scale = 2};
    titled.row_titles = {"1", "2"};
    titled.column_titles = {"a", "b"};
    const Tensor with_titles = draw(titled);
    CHECK(with_titles.shape() == Shape{10 + 14 + 10 + 16 + 2 + 16 + 10, 10 + 10 + 10 + 16 + 2 + 16 + 10, 3});

    titled.row_group = 2;
    titled.column_group = 2;
    titled.column_titles = {"ab"};
    CHECK(draw(titled).shape() == with_titles.shape());    // one group each: no wider gap
    LabelledGrid uneven = plain;
    uneven.columns = 4;
    CHECK_THROWS_AS(draw(uneven), Error);
}

TEST_CASE("x at the data's contrast has the data's spread at every noise level") {
    const ModelConfig edm{.unet = {}, .preconditioner = EdmPreconditioner{.sigma_data = 0.5, .mean = 0.25}};
    const Tensor x = from_values({0.25, 1.25}, {2});
    CHECK(at_data_contrast(x, 0, edm).values() == x.values());
    const std::vector<double> narrowed = at_data_contrast(x, 1.2, edm).values();    // √(1.2² + 0.5²) = 1.3
    CHECK(narrowed[0] == doctest::Approx(0.25));
    CHECK(narrowed[1] == doctest::Approx(0.25 + 0.5 / 1.3));
    // Where the model does not say how the data spread, a third of their range: 1.2² + 0.5² again.
    const ModelConfig eps{.unet = {}, .preconditioner = EpsPreconditioner{}, .black = -0.5, .white = 1};
    CHECK(at_data_contrast(x, 1.2, eps).values()[1] == doctest::Approx(1.25 * 0.5 / 1.3));
}

TEST_CASE("a film-strip shows x and the sampler's own D of the first images, and last what was delivered, whatever the batches") {
    const ModelConfig model{.unet = {}, .preconditioner = EdmPreconditioner{.sigma_data = 0.5}, .height = 4, .width = 4};
    const std::vector<double> sigmas{2, 1, 0};
    const Shape batch{3, 4, 4, 1};
    const double states[] = {0.9, -0.4, 0.1}, answers[] = {0.3, -0.2, 0.5};
    constexpr double kDelivered = 0.7;
    // Batches of so many images; each step asks D twice, as Heun's does, and so does the end of a blind sampler.
    const auto filmed = [&](std::int64_t size) {
        FilmStrip film(2, {4, 4, 1}, sigmas);
        for (std::int64_t first = 0; first < 3; first += size) {
            const auto part = [&](double value) { return full(batch, value).slice(0, first, first + size); };
            for (int i = 0; i < 3; ++i) {
                film.see({first, i - 1, sigmas[static_cast<std::size_t>(i)], part(states[i])});
                film.see_denoised(part(answers[i]));
                film.see_denoised(part(-0.9));
            }
            film.see_end(first, part(kDelivered));
        }
        return film.picture(model, 2);
    };
    const Tensor picture = filmed(1);
    CHECK(same_bits(picture, filmed(3)));

    const auto cell = [](double value) { return full({1, 4, 4, 1}, value); };
    const double narrow_2 = 0.5 / std::sqrt(4.25), narrow_1 = 0.5 / std::sqrt(1.25);
    const Tensor image = concat({cell(0.9 * narrow_2), cell(-0.4 * narrow_1), cell(0.1),    //
                                 cell(0.3), cell(-0.2), cell(kDelivered)},
                                0);
    const LabelledGrid expected{.images = concat({image, image}, 0),
                                .columns = 3,
                                .row_group = 2,
                                .row_titles = {"x", "D", "x", "D"},
                                .column_titles = {"2", "1", "0"},
                                .corner = "sigma",
                                .scale = 2};
    CHECK(same_bits(picture, draw(expected)));
}

TEST_CASE("of many steps a film-strip shows eleven, the first and the last among them") {
    const ModelConfig model{.unet = {}, .preconditioner = EdmPreconditioner{}, .height = 4, .width = 4};
    const auto width = [&](int steps) {
        const FilmStrip film(1, {4, 4, 1}, karras_sigmas(steps));
        return film.picture(model, 12).size(1);
    };
    const std::int64_t cell = width(3) - width(2);
    CHECK(cell == 4 * 12 + 2);
    CHECK(width(10) == width(3) + 7 * cell);
    CHECK(width(500) == width(10));
}
