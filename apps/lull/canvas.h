// A picture to draw lines and small text on.
#pragma once

#include <string_view>
#include <vector>

#include "engine/tensor.h"

namespace lull {

struct Colour {
    float red, green, blue;    // 0 to 1, as on screen
};
inline constexpr Colour kWhite{1, 1, 1}, kInk{0.25f, 0.25f, 0.28f};

// Coordinates in pixels, from the upper left corner; (0.5, 0.5) is the middle of the first pixel.
class Canvas {
  public:
    Canvas(int width, int height, Colour background);

    // Smoothed at the edges.
    void line(double x0, double y0, double x1, double y1, double thickness, Colour colour);

    // Letters of 5 × 7 dots (one more below the line), each `scale` pixels wide and high, with the upper left corner at (x, y).
    // UTF-8; an empty box stands for anything but ASCII.
    void text(int x, int y, std::string_view text, Colour colour, int scale);
    static int text_width(std::string_view text, int scale);
    static int text_height(int scale) { return 7 * scale; }

    Tensor pixels() const;    // u8 (H, W, 3)

  private:
    void blend(int x, int y, Colour colour, double opacity);

    int width_, height_;
    std::vector<Colour> pixels_;
};

}    // namespace lull
