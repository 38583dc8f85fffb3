// One plot of a picture: axes with round numbers, curves, points.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "apps/lull/canvas.h"

namespace lull {

inline constexpr Colour kRule{0.9f, 0.9f, 0.92f}, kFaint{0.76f, 0.84f, 0.94f}, kEarlier{0.52f, 0.68f, 0.87f},
    kStrong{0.10f, 0.37f, 0.70f}, kDensity{0.96f, 0.96f, 0.97f}, kOther{0.80f, 0.36f, 0.16f}, kThird{0.23f, 0.55f, 0.30f};

// Where in a curve: x and y in the axes' own units.
using Points = std::vector<std::pair<double, double>>;

// "0.123", "1300": up to so many digits.
std::string short_number(double value, int digits = 4);

// From low to high, evenly or by logarithms (then low > 0).
struct Axis {
    double low = 0, high = 1;
    bool logarithmic = false;
    bool whole = false;    // ticks at whole numbers only

    // With room at both ends, around values of which these are the least and the most.
    static Axis around(double least, double most);
    static Axis logarithmic_around(double least, double most);

    double part(double value) const;    // 0 at low, 1 at high; what lies beyond is at the end
    // Where to draw lines, and which of them have room for a number.
    std::vector<std::pair<double, bool>> ticks() const;
};

class Panel {
  public:
    static constexpr int kWidth = 720, kHeight = 420;

    // top: its upper edge on the canvas, which is kWidth wide.
    Panel(Canvas& canvas, int top, const Axis& x, const Axis& y) : canvas_(canvas), top_(top), x_axis_(x), y_axis_(y) {}

    void y_ticks();
    void x_ticks();
    void x_tick(double x, const std::string& label);
    void x_name(const std::string& name);    // with the axis itself
    // Above the plot: what it is, and on the right names of curves in their colours, the last one outermost.
    void title(const std::string& left, const std::vector<std::pair<std::string, Colour>>& names = {});
    void curve(const Points& points, double thickness, Colour colour);
    void points(const Points& points, Colour colour);
    // A faint area under a curve, part: its height at x as a part of the panel's.
    template <class Part>
    void area(const Part& part);

  private:
    static constexpr int kScale = 2, kLeft = 76, kRight = 24, kTop = 48, kBottom = 58;

    double x(double value) const { return kLeft + (kWidth - kLeft - kRight) * x_axis_.part(value); }
    double y(double value) const { return bottom() - (kHeight - kTop - kBottom) * y_axis_.part(value); }
    double bottom() const { return top_ + kHeight - kBottom; }

    Canvas& canvas_;
    int top_;
    Axis x_axis_, y_axis_;
};

template <class Part>
void Panel::area(const Part& part) {
    for (int column = kLeft; column < kWidth - kRight; ++column) {
        const double value = x_axis_.low + (x_axis_.high - x_axis_.low) * (column + 0.5 - kLeft) / (kWidth - kLeft - kRight);
        canvas_.line(column + 0.5, bottom(), column + 0.5, bottom() - (kHeight - kTop - kBottom) * part(value), 1, kDensity);
    }
}

}    // namespace lull
