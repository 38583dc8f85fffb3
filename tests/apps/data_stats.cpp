// lull data stats: the figures, the suggestions and the sheet.
#include "apps/lull/data_stats.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "apps/lull/data_sheet.h"
#include "engine/io/png.h"
#include "tests/apps/workshop.h"

using namespace lull;
using namespace lull::test;
namespace fs = std::filesystem;

namespace {

// n images, in each of which all bytes are the number of the image.
ImageDataset numbered(std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels) {
    ImageDataset data{.name = "numbers", .pixels = empty({n, height, width, channels}, DType::u8)};
    const std::int64_t values = height * width * channels;
    for (std::int64_t i = 0; i < n; ++i)
        std::fill_n(data.pixels.data<std::uint8_t>() + i * values, values, static_cast<std::uint8_t>(i));
    return data;
}

void label(ImageDataset& data, std::int32_t (*class_of)(std::int64_t)) {
    data.labels = empty({data.size()}, DType::i32);
    for (std::int64_t i = 0; i < data.size(); ++i) data.labels.data<std::int32_t>()[i] = class_of(i);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::int64_t pixels_of(const Tensor& picture, int grey) {
    std::int64_t count = 0;
    const std::uint8_t* byte = picture.data<std::uint8_t>();
    for (std::int64_t i = 0; i < picture.elements(); i += 3)
        count += byte[i] == grey && byte[i + 1] == grey && byte[i + 2] == grey;
    return count;
}

}    // namespace

TEST_CASE("data report: what a data set is, and the flags for its noise") {
    // Half of the values are -1, the others 1, and red is always 1.
    ImageDataset data{.name = "signs", .pixels = zeros({4, 8, 8, 3}, DType::u8)};
    std::uint8_t* byte = data.pixels.data<std::uint8_t>();
    for (std::int64_t i = 0; i < data.pixels.elements(); ++i) byte[i] = i % 3 == 0 || (i % 3 == 1 && i / 192 == 3) ? 255 : 0;
    data.classes = {"odd", "even"};
    label(data, [](std::int64_t i) { return i == 0 ? 0 : 1; });
    const std::string report = data_report(data, suggest_noise_range(data));
    CHECK(has(report, "  images        4\n"));
    CHECK(has(report, "  size          8×8\n"));
    CHECK(has(report, "  channels      3 (red, green, blue)\n"));
    CHECK(has(report, "  classes       2: 1 odd, 3 even\n"));
    CHECK(has(report, "  range         -1 (black) to 1 (white)\n"));
    CHECK(has(report, "  mean          -0.1667\n"));    // (1 - 1/2 - 1) / 3
    CHECK(has(report, "  sigma_data    0.9860, "));     // √(1 - 1/36)
    CHECK(has(report, "  red           mean 1.0000, standard deviation 0.0000\n"));
    CHECK(has(report, "  green         mean -0.5000, standard deviation 0.8660\n"));    // √(1 - 1/4)
    CHECK(has(report, "\n  lull train --P-mean -0.521 --P-std 1.2\n"));                 // -1.2 + ln(0.986 / 0.5)
    CHECK(has(report, "\n  lull sample --sigma-min 0.002 --sigma-max 80\n"));
    CHECK(has(report, "furthest apart are at 16.0."));    // 64 values of green, 2 apart

    std::istringstream lines(report);
    for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 102, line);    // × has two bytes
}

TEST_CASE("data report: equal classes, many classes, none, and images without spread") {
    ImageDataset data = numbered(100, 2, 2, 1);
    CHECK(has(data_report(data, {}), "  classes       none\n"));
    label(data, [](std::int64_t i) { return static_cast<std::int32_t>(i % 50); });
    const std::string report = data_report(data, {});
    CHECK(has(report, "  classes       50 of 2 images each: 0, 1, 2,"));
    CHECK(has(report, " 39 and 10 more\n"));
    const ImageDataset one = data.first(1);
    CHECK(has(data_report(one, suggest_noise_range(one)), "these images have no spread"));
}

TEST_CASE("data sheet: a row for each class, with images of that class alone") {
    ImageDataset data = numbered(200, 16, 16, 1);
    data.classes = {"low", "none", "high"};
    label(data, [](std::int64_t i) { return i < 150 ? 0 : 2; });
    const Tensor sheet = data_sheet(data);
    // Two classes have images: three rows of ten of each, every pixel shown as 4×4, with 2 pixels between and 10 around.
    CHECK(sheet.size(0) == 10 + 6 * 64 + 4 * 2 + 10 + 10);
    // Images 0, 5, … 145, then thirty of the fifty.
    for (const int shown : {0, 5, 75, 145, 150, 151, 198}) CHECK_MESSAGE(pixels_of(sheet, shown) == 64 * 64, shown);
    for (const int left_out : {1, 4, 149, 152, 199}) CHECK(pixels_of(sheet, left_out) == 0);
}

TEST_CASE("data sheet: without classes all images, as many as 64, evenly") {
    CHECK(data_sheet(numbered(1, 32, 32, 1)).shape() == Shape{84, 84, 3});
    const Tensor five = data_sheet(numbered(5, 32, 32, 3));
    CHECK(five.shape() == Shape{150, 216, 3});    // 3 × 2, one place blank
    for (const int i : {0, 1, 2, 3, 4}) CHECK(pixels_of(five, i) == 64 * 64);
    const Tensor many = data_sheet(numbered(128, 32, 32, 1));
    CHECK(many.size(0) == 20 + 8 * 64 + 7 * 2);
    CHECK(pixels_of(many, 126) == 64 * 64);
    CHECK(pixels_of(many, 127) == 0);
}

TEST_CASE("data sheet: large images, long ones and many classes stay within bounds") {
    const Tensor large = data_sheet(numbered(2, 600, 900, 3));
    CHECK(large.shape() == Shape{20 + 85, 20 + 2 * 128 + 2, 3});
    CHECK(pixels_of(large, 1) == 85 * 128);
    CHECK(data_sheet(numbered(3, 1, 3000, 1)).size(1) == 20 + 2 * 128 + 2);
    CHECK(data_sheet(numbered(3, 3000, 1, 1)).size(0) == 20 + 2 * 128 + 2);
    CHECK(data_sheet(numbered(1, 1, 1, 1)).shape() == Shape{84, 84, 3});

    ImageDataset data = numbered(200, 4, 40, 1);
    label(data, [](std::int64_t i) { return static_cast<std::int32_t>(i); });
    data.classes = std::vector<std::string>(200, std::string(500, 'x'));
    const Tensor many = data_sheet(data);
    CHECK(many.size(0) == 20 + 40 * 16 + 39 * 2);
    CHECK(many.size(1) < 1000);
}

TEST_CASE("lull data stats prints and draws, and writes over nothing") {
    const Workshop shop;
    const std::string out = shop.path("out"), data = shop.folder.path().string();
    const auto stats = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"data", "stats"});
        return run(more);
    };
    CHECK(stats({data, "--outdir", out}).err ==
          "lull: --outdir: expected a folder outside " + data + ", of whose pictures the sheet would become one\n");
    CHECK_FALSE(fs::exists(out));

    const TemporaryFolder elsewhere;
    const std::string place = (elsewhere / "sheets").string();
    const Result result = stats({data, "--outdir", place, "--size", "28"});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(has(result.out, "\n  images        40\n  size          28×28\n"));
    const auto picture_in = [](const std::string& text) { return text.substr(text.rfind('\n', text.size() - 2) + 1); };
    const std::string first = picture_in(result.out);
    CHECK(first.starts_with(place + "/data-"));
    const PngImage sheet = read_png(first.substr(0, first.size() - 1));
    CHECK(sheet.text.at("Images") == "40");

    const Result again = stats({"--data", data, "--outdir", place, "--size", "28", "--quiet"});
    CHECK(again.out == first.substr(0, first.size() - 5) + "-2.png\n");
    CHECK(fs::exists(again.out.substr(0, again.out.size() - 1)));
}
