// PNG pictures of 8 bits per channel, with text.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/tensor.h"

namespace lull {

// pixels: u8 (H, W, C), C = 1 (grey) or 3 (RGB), sRGB. text: what image viewers show as comments, such as "Sampler".
struct PngImage {
    Tensor pixels;
    std::map<std::string, std::string> text;
};

// What a PNG says about itself before its pixels. colour: it has red, green and blue, if only in a palette.
struct PngHeader {
    std::int64_t width = 0, height = 0;
    bool colour = false;
};

// Reads the first bytes of a file. Throws Error("PATH: …") when it is missing or does not begin as a PNG.
PngHeader read_png_header(const std::filesystem::path& path);

// Reads any PNG: palettes, 1 to 16 bits and interlacing become 8 bits; what is transparent is laid over white; grey stays
// grey. Throws Error("PATH: …") when the file is missing or damaged.
PngImage read_png(const std::filesystem::path& path);

// Writes a picture, whole or not at all (AtomicFile). A key has 1 to 79 printable ASCII characters; a text is UTF-8.
void write_png(const std::filesystem::path& path, const PngImage& image);

}    // namespace lull
