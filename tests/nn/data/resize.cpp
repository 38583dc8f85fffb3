#include "nn/data/resize.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "nn/data/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

Tensor fitted(const Tensor& image, Fit fit, ImageSize size) {
    Tensor to = empty({size.height, size.width, image.size(2)}, DType::u8);
    fit_image(image, fit, to);
    return to;
}

}    // namespace

TEST_CASE("resize: stretched and cropped pictures are Pillow's") {
    const auto golden = load_safetensors(source_dir() / "tests/golden/resize.safetensors").tensors;
    // Pillow rounds to bytes between its two passes: half a unit, times up to 1.6 (the filter's weights without their signs).
    constexpr double kRounding = 1;
    for (const std::string name : {"wide", "tall", "small"}) {
        CAPTURE(name);
        const Tensor image = golden.at(name);
        CHECK(absolute_error(fitted(image, Fit::stretch, {24, 16}), golden.at(name + ".stretch")) <= kRounding);
        CHECK(absolute_error(fitted(image, Fit::crop, {24, 16}), golden.at(name + ".crop")) <= kRounding);
    }
}

TEST_CASE("resize: grey is Pillow's grey") {
    const auto golden = load_safetensors(source_dir() / "tests/golden/resize.safetensors").tensors;
    CHECK(absolute_error(with_channels(golden.at("wide"), 1), golden.at("grey")) <= 1);
    const Tensor back = with_channels(golden.at("grey"), 3);
    CHECK(back.shape() == Shape{40, 61, 3});
    CHECK(same_bits(with_channels(back, 1), golden.at("grey")));
}

TEST_CASE("resize: one colour stays one colour, whatever the sizes") {
    for (const Fit fit : {Fit::crop, Fit::stretch})
        for (const std::int64_t side : {1, 2, 7, 31, 33, 200}) {
            CAPTURE(side);
            const Tensor to = fitted(full({side, 2 * side, 1}, 201, DType::u8), fit, {32, 48});
            CHECK(same_bits(to, full({48, 32, 1}, 201, DType::u8)));
        }
}

TEST_CASE("resize: an image of the size asked for stays as it is, bit for bit") {
    const Tensor image = from_values({0, 255, 3, 7, 9, 200}, {2, 3, 1}, DType::u8);
    for (const Fit fit : {Fit::crop, Fit::pad, Fit::stretch}) CHECK(same_bits(fitted(image, fit, {3, 2}), image));
}

TEST_CASE("resize: padding keeps small images bit for bit, in the middle of black") {
    const Tensor image = from_values({10, 20, 30, 40}, {2, 2, 1}, DType::u8);
    CHECK(fitted(image, Fit::pad, {4, 4}).values() == std::vector<double>{0, 0, 0, 0, 0, 10, 20, 0, 0, 30, 40, 0, 0, 0, 0, 0});
    // An odd border is a pixel wider to the right and below.
    CHECK(fitted(image, Fit::pad, {3, 2}).values() == std::vector<double>{10, 20, 0, 30, 40, 0});
}

TEST_CASE("resize: padding makes larger images smaller, and keeps their proportions") {
    const Tensor to = fitted(full({20, 80, 3}, 255, DType::u8), Fit::pad, {16, 16});
    for (std::int64_t y = 0; y < 16; ++y)    // 16×4 pixels in the middle
        for (const double value : to.slice(0, y, y + 1).values()) CHECK(value == (y >= 6 && y < 10 ? 255 : 0));
}

TEST_CASE("resize: cropping keeps the middle") {
    std::vector<double> values;
    for (int y = 0; y < 8; ++y)
        for (int x = 0; x < 24; ++x) values.push_back(x < 8 || x >= 16 ? 255 : 0);
    const Tensor image = from_values(values, {8, 24, 1}, DType::u8);
    const Tensor inner = fitted(image, Fit::crop, {8, 8});
    CHECK(inner.values() == std::vector<double>(64, 0));
}

TEST_CASE("resize: names of ways to fit, and sizes as text") {
    for (const Fit fit : {Fit::crop, Fit::pad, Fit::stretch}) CHECK(parse_fit(name_of(fit)) == fit);
    CHECK(error_of([] { parse_fit("corp"); }) == "[fit] unknown way to fit 'corp'; did you mean 'crop'? (crop, pad, stretch)");
    CHECK(to_string(ImageSize{48, 32}) == "48×32");
}
