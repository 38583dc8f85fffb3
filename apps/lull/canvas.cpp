#include "apps/lull/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lull {
namespace {

// Seven rows from the top down to the baseline and one below it, five bits each, the leftmost dot the highest bit.
struct Glyph {
    char letter;
    std::array<unsigned char, 8> rows;
};

constexpr Glyph kFont[] = {
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e, 0x00}}, {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e, 0x00}},
    {'2', {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f, 0x00}}, {'3', {0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e, 0x00}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02, 0x00}}, {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e, 0x00}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e, 0x00}}, {'7', {0x1f, 0x01, 0x02, 0x02, 0x04, 0x04, 0x04, 0x00}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e, 0x00}}, {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c, 0x00}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c, 0x00}}, {',', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x04, 0x08}},
    {'-', {0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00, 0x00}}, {'a', {0x00, 0x00, 0x0e, 0x01, 0x0f, 0x11, 0x0f, 0x00}},
    {'e', {0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e, 0x00}}, {'f', {0x06, 0x08, 0x08, 0x1c, 0x08, 0x08, 0x08, 0x00}},
    {'g', {0x00, 0x00, 0x0f, 0x11, 0x13, 0x0d, 0x01, 0x0e}}, {'h', {0x10, 0x10, 0x16, 0x19, 0x11, 0x11, 0x11, 0x00}},
    {'i', {0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e, 0x00}}, {'k', {0x10, 0x10, 0x12, 0x14, 0x18, 0x14, 0x12, 0x00}},
    {'l', {0x0c, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e, 0x00}}, {'m', {0x00, 0x00, 0x1a, 0x15, 0x15, 0x15, 0x15, 0x00}},
    {'n', {0x00, 0x00, 0x16, 0x19, 0x11, 0x11, 0x11, 0x00}}, {'o', {0x00, 0x00, 0x0e, 0x11, 0x11, 0x11, 0x0e, 0x00}},
    {'p', {0x00, 0x00, 0x16, 0x19, 0x11, 0x1e, 0x10, 0x10}}, {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10, 0x00}},
    {'s', {0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e, 0x00}}, {'t', {0x08, 0x08, 0x1c, 0x08, 0x08, 0x08, 0x06, 0x00}},
    {'v', {0x00, 0x00, 0x11, 0x11, 0x11, 0x0a, 0x04, 0x00}},
};

constexpr int kAdvance = 6;    // dots from one letter to the next

}    // namespace

Canvas::Canvas(int width, int height, Colour background)
    : width_(width), height_(height), pixels_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), background) {}

void Canvas::blend(int x, int y, Colour colour, double opacity) {
    if (x < 0 || y < 0 || x >= width_ || y >= height_ || opacity <= 0) return;
    Colour& pixel = pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)];
    const auto a = static_cast<float>(opacity);
    pixel.red += a * (colour.red - pixel.red);
    pixel.green += a * (colour.green - pixel.green);
    pixel.blue += a * (colour.blue - pixel.blue);
}

void Canvas::line(double x0, double y0, double x1, double y1, double thickness, Colour colour) {
    const double dx = x1 - x0, dy = y1 - y0, length_squared = dx * dx + dy * dy;
    const double reach = thickness / 2 + 1;
    const auto low = [&](double a, double b) { return static_cast<int>(std::floor(std::min(a, b) - reach)); };
    const auto high = [&](double a, double b) { return static_cast<int>(std::ceil(std::max(a, b) + reach)); };
    for (int y = low(y0, y1); y <= high(y0, y1); ++y) {
        for (int x = low(x0, x1); x <= high(x0, x1); ++x) {
            // A pixel is covered by how far its middle lies inside the line's edge, over the width of one pixel.
            const double px = x + 0.5 - x0, py = y + 0.5 - y0;
            const double along = length_squared > 0 ? std::clamp((px * dx + py * dy) / length_squared, 0.0, 1.0) : 0;
            const double distance = std::hypot(px - along * dx, py - along * dy);
            blend(x, y, colour, std::clamp(thickness / 2 + 0.5 - distance, 0.0, 1.0));
        }
    }
}

void Canvas::text(int x, int y, std::string_view text, Colour colour, int scale) {
    for (const char letter : text) {
        const auto* glyph = std::find_if(std::begin(kFont), std::end(kFont), [&](const Glyph& g) { return g.letter == letter; });
        if (glyph != std::end(kFont)) {
            for (int dot_y = 0; dot_y < 8 * scale; ++dot_y)
                for (int dot_x = 0; dot_x < 5 * scale; ++dot_x)
                    if (glyph->rows[static_cast<std::size_t>(dot_y / scale)] >> (4 - dot_x / scale) & 1)
                        blend(x + dot_x, y + dot_y, colour, 1);
        }
        x += kAdvance * scale;
    }
}

int Canvas::text_width(std::string_view text, int scale) {
    return text.empty() ? 0 : (kAdvance * static_cast<int>(text.size()) - 1) * scale;
}

Tensor Canvas::pixels() const {
    Tensor pixels = empty({height_, width_, 3}, DType::u8);
    std::uint8_t* out = pixels.data<std::uint8_t>();
    for (const Colour& pixel : pixels_)
        for (const float value : {pixel.red, pixel.green, pixel.blue})
            *out++ = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0f, 1.0f)));
    return pixels;
}

}    // namespace lull
