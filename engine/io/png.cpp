// Pixels go through libpng's simplified interface, which returns its errors: the full one reports them by longjmp, past
// the destructors of whatever C++ stands in between. That interface knows no text, so text chunks are put in and found
// here. A chunk: the length of its data (4 bytes, big-endian), its type (4 letters), the data, a CRC of type and data.
#include "engine/io/png.h"

#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#include "engine/io/bytes.h"
#include "engine/io/file.h"

namespace lull {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kSignature = 8;
constexpr std::size_t kChunkFrame = 12;                                // length, type, CRC
constexpr std::size_t kAfterHeader = kSignature + kChunkFrame + 13;    // IHDR comes first and has 13 bytes

// libpng's state of one picture, released on every way out.
struct Simplified : png_image {
    Simplified() : png_image() { version = PNG_IMAGE_VERSION; }
    ~Simplified() { png_image_free(this); }
    Simplified(const Simplified&) = delete;
    Simplified& operator=(const Simplified&) = delete;
};

std::string big_endian(std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xffu);
    return bytes;
}

std::string chunk(const std::string& type_and_data) {
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(type_and_data.data()), static_cast<uInt>(type_and_data.size()));
    return big_endian(static_cast<std::uint32_t>(type_and_data.size() - 4)) + type_and_data +
           big_endian(static_cast<std::uint32_t>(crc));
}

// tEXt holds Latin-1, of which ASCII is a part; anything else is iTXt, in UTF-8: two zeros say "not compressed", two empty
// strings stand for the language and the translated key.
std::string text_chunk(const Path& path, const std::string& key, const std::string& text) {
    const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c >= 32 && c <= 126; });
    check_file(printable && !key.empty() && key.size() <= 79, path,
               "expected a text key of 1 to 79 printable ASCII characters, got '", key, "'");
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
    const std::string zero(1, '\0'), four(4, '\0');
    return ascii ? chunk("tEXt" + key + zero + text) : chunk("iTXt" + key + zero + four + text);
}

std::map<std::string, std::string> find_text(std::string_view png) {
    std::map<std::string, std::string> text;
    for (std::string_view rest = png.substr(kSignature); rest.size() >= kChunkFrame;) {
        const std::size_t length = from_big_endian(rest.data());
        if (length > rest.size() - kChunkFrame) break;
        const std::string_view type = rest.substr(4, 4), data = rest.substr(8, length);
        rest.remove_prefix(kChunkFrame + length);
        const std::size_t zero = data.find('\0');
        if ((type != "tEXt" && type != "iTXt") || zero == std::string_view::npos) continue;
        std::string_view value = data.substr(zero + 1);
        if (type == "iTXt") {
            if (value.size() < 4 || value[0] != 0) continue;    // compressed: nothing of ours
            value.remove_prefix(2);
            for (int skipped = 0; skipped < 2; ++skipped) value.remove_prefix(std::min(value.size(), value.find('\0') + 1));
        }
        text[std::string(data.substr(0, zero))] = std::string(value);
    }
    return text;
}

std::string read_file(const Path& path) {
    std::string bytes(size_of_file(path), '\0');
    std::ifstream in(path, std::ios::binary);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    check_file(in.good(), path, "cannot be read");
    return bytes;
}

// The first chunk, IHDR: width and height (4 bytes each), bits per sample, kind of pixels (1 palette + 2 colour + 4 alpha).
PngHeader parse_header(const Path& path, std::string_view png) {
    check_file(png.size() >= kAfterHeader && png.starts_with("\x89PNG\r\n\x1a\n") && png.substr(12, 4) == "IHDR", path,
               "not a PNG file: it does not begin as one");
    return {.width = from_big_endian(&png[16]), .height = from_big_endian(&png[20]), .colour = (png[25] & 2) != 0};
}

}    // namespace

PngHeader read_png_header(const Path& path) {
    std::string bytes(std::min<std::uint64_t>(kAfterHeader, size_of_file(path)), '\0');
    std::ifstream in(path, std::ios::binary);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    check_file(in.good(), path, "cannot be read");
    return parse_header(path, bytes);
}

PngImage read_png(const Path& path) {
    const std::string bytes = read_file(path);
    const PngHeader header = parse_header(path, bytes);
    // Before memory is asked for: the pixels take at least a bit each, and deflate makes no more than 1032 bytes of one.
    check_file(static_cast<std::uint64_t>(header.width) * static_cast<std::uint64_t>(header.height) / 8 / kMaxDeflateRatio <=
                   bytes.size(),
               path, "damaged: header says ", header.width, "×", header.height, " pixels; the file's ", grouped(bytes.size()),
               " bytes cannot hold them");
    Simplified png;
    check_file(png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) != 0, path,
               "not a PNG file: ", static_cast<const char*>(png.message));
    const bool colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
    png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;    // 16 bits of a file that does not say otherwise are sRGB as 8 bits are
    Tensor pixels = empty({png.height, png.width, colour ? 3 : 1}, DType::u8);
    const png_color white{255, 255, 255};
    check_file(png_image_finish_read(&png, &white, pixels.raw(), 0, nullptr) != 0, path,
               "damaged: ", static_cast<const char*>(png.message));
    return {pixels, find_text(bytes)};
}

void write_png(const Path& path, const PngImage& image) {
    check_file(image.pixels.defined() && image.pixels.rank() == 3 && image.pixels.dtype() == DType::u8 &&
                   image.pixels.elements() > 0 && (image.pixels.size(2) == 1 || image.pixels.size(2) == 3),
               path, "expected pixels u8 (H, W, 1 or 3), got ", image.pixels);
    const Tensor pixels = image.pixels.contiguous();
    Simplified png;
    png.height = static_cast<png_uint_32>(pixels.size(0));
    png.width = static_cast<png_uint_32>(pixels.size(1));
    png.format = pixels.size(2) == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
    png_alloc_size_t size = bytes.size();
    check_file(png_image_write_to_memory(&png, bytes.data(), &size, 0, pixels.raw(), 0, nullptr) != 0, path,
               "cannot be encoded: ", static_cast<const char*>(png.message));
    bytes.resize(size);

    std::string text;
    for (const auto& [key, value] : image.text) text += text_chunk(path, key, value);
    bytes.insert(kAfterHeader, text);
    AtomicFile out(path);
    out.write(bytes.data(), bytes.size());
    out.commit();
}

}    // namespace lull
