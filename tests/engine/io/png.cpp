#include "engine/io/png.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/files.h"

using namespace lull;
using namespace lull::test;

namespace {

// Bytes that compress badly, in a shape that is not square.
Tensor picture(std::int64_t channels) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < 5 * 17 * channels; ++i) values.push_back(static_cast<double>(i * i * 7 % 256 ^ i % 256));
    return from_values(values, {5, 17, channels}, DType::u8);
}

// A PNG file from the hexadecimal digits of its chunks.
std::filesystem::path file_of(const TemporaryFolder& folder, const std::string& chunks) {
    write_bytes(folder / "x.png", from_hex("89504e470d0a1a0a" + chunks));
    return folder / "x.png";
}

}    // namespace

TEST_CASE("png: grey and RGB pixels and their text come back as they were written") {
    const TemporaryFolder folder;
    for (const std::int64_t channels : {1, 3}) {
        const PngImage image{picture(channels), {{"Sampler", "heun, 18 steps"}, {"Noise", "σ = 80"}, {"Empty", ""}}};
        write_png(folder / "x.png", image);
        const PngImage back = read_png(folder / "x.png");
        CHECK(back.pixels.shape() == image.pixels.shape());
        CHECK(back.pixels.values() == image.pixels.values());
        CHECK(back.text == image.text);
    }
    CHECK(folder.files() == 1);
}

TEST_CASE("png: a view is written as what it shows") {
    const TemporaryFolder folder;
    const Tensor upright = picture(3).transpose(0, 1);
    write_png(folder / "x.png", {upright, {}});
    CHECK(read_png(folder / "x.png").pixels.values() == upright.values());
}

TEST_CASE("png: palettes, single bits, 16 bits and transparency are read as 8 bits") {
    const TemporaryFolder folder;
    // Three pixels of a palette of red, green and blue, 2 bits each.
    const Tensor palette = read_png(file_of(folder,
                                            "0000000d4948445200000003000000010203000000668efc2700000009504c5445ff000000ff000000ff"
                                            "2d4acd8a0000000a4944415478da63900000001a001980008ebb0000000049454e44ae426082"))
                               .pixels;
    CHECK(palette.shape() == Shape{1, 3, 3});
    CHECK(palette.values() == std::vector<double>{255, 0, 0, 0, 255, 0, 0, 0, 255});
    // White, black, white: 1 bit each.
    const Tensor bits = read_png(file_of(folder,
                                         "0000000d4948445200000003000000010100000000339b29190000000a4944415478da6358000000a200a1"
                                         "7105cb410000000049454e44ae426082"))
                            .pixels;
    CHECK(bits.shape() == Shape{1, 3, 1});
    CHECK(bits.values() == std::vector<double>{255, 0, 255});
    // 0x8000 and 0xffff.
    const Tensor deep = read_png(file_of(folder,
                                         "0000000d494844520000000200000001100000000081d9fc150000000d4944415478da636860f8ff1f0005"
                                         "02027fc900d6750000000049454e44ae426082"))
                            .pixels;
    CHECK(deep.values() == std::vector<double>{128, 255});
    // Grey 10 twice, opaque and invisible.
    const Tensor alpha = read_png(file_of(folder,
                                          "0000000d49484452000000020000000108040000005e2bb7010000000d4944415478da63e0facfc500000"
                                          "33e0114eba5ef2d0000000049454e44ae426082"))
                             .pixels;
    CHECK(alpha.shape() == Shape{1, 2, 1});
    CHECK(alpha.values() == std::vector<double>{10, 255});
}

TEST_CASE("png: a damaged, foreign or missing file is refused with its path") {
    const TemporaryFolder folder;
    const auto path = folder / "x.png";
    const auto complaint = [&] { return error_of([&] { read_png(path); }); };
    CHECK(complaint() == path.string() + ": no such file");
    write_bytes(path, "GIF89a and so on");
    CHECK(complaint().starts_with(path.string() + ": not a PNG file: "));
    write_png(path, {picture(3), {{"Comment", "text"}}});
    const std::string whole = read_bytes(path);
    std::string changed = whole;
    changed[changed.size() - 60] = static_cast<char>(changed[changed.size() - 60] ^ 1);
    write_bytes(path, changed);
    CHECK_MESSAGE(complaint().starts_with(path.string() + ": damaged: "), complaint());
    write_bytes(path, whole.substr(0, whole.size() - 60));
    CHECK_MESSAGE(complaint().starts_with(path.string() + ": damaged: "), complaint());
    write_bytes(path, whole.substr(0, 12));
    CHECK(complaint().starts_with(path.string() + ": not a PNG file: "));
}

TEST_CASE("png: only pictures are written") {
    const TemporaryFolder folder;
    const auto path = folder / "x.png";
    const auto complaint = [&](const PngImage& image) { return error_of([&] { write_png(path, image); }); };
    CHECK(complaint({zeros({2, 2, 2}, DType::u8), {}}) ==
          path.string() + ": expected pixels u8 (H, W, 1 or 3), got u8 (2, 2, 2)");
    CHECK(complaint({zeros({2, 2, 1}), {}}) == path.string() + ": expected pixels u8 (H, W, 1 or 3), got f32 (2, 2, 1)");
    CHECK(complaint({picture(1), {{"", "text"}}}).find("expected a text key of 1 to 79 printable ASCII characters") !=
          std::string::npos);
    CHECK(folder.files() == 0);
}

TEST_CASE("png: the header says size and colour without the pixels being read") {
    const TemporaryFolder folder;
    for (const std::int64_t channels : {1, 3}) {
        write_png(folder / "x.png", {picture(channels), {}});
        write_bytes(folder / "x.png", read_bytes(folder / "x.png").substr(0, 40));
        const PngHeader header = read_png_header(folder / "x.png");
        CHECK(header.width == 17);
        CHECK(header.height == 5);
        CHECK(header.colour == (channels == 3));
    }
    const std::string name = (folder / "x.png").string();
    write_bytes(name, read_bytes(name).substr(0, 30));
    CHECK(error_of([&] { read_png_header(name); }) == name + ": not a PNG file: it does not begin as one");
    write_bytes(name, "");
    CHECK(error_of([&] { read_png_header(name); }) == name + ": not a PNG file: it does not begin as one");
    CHECK(error_of([&] { read_png_header(name + "x"); }) == name + "x: no such file");
}
