#include "apps/lull/panel.h"

#include <cmath>
#include <cstdio>

namespace lull {
namespace {

// 1, 2 and 5 times the powers of ten, the smallest such that at most five fit into the range.
double tick_distance(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 5)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (range / (factor * power) <= 5) return factor * power;
    return 10 * power;
}

}    // namespace

std::string short_number(double value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
}

Axis Axis::around(double least, double most) {
    const double room = most > least ? 0.05 * (most - least) : std::max(1e-12, 0.1 * std::abs(most));
    return {.low = least - room, .high = most + room};
}

Axis Axis::logarithmic_around(double least, double most) {
    least = std::max(least, 1e-12);    // 0 has no place on it
    return {.low = 0.9 * least, .high = 1.1 * std::max(most, least), .logarithmic = true};
}

double Axis::part(double value) const {
    const double inside = std::clamp(value, low, high);
    return logarithmic ? std::log(inside / low) / std::log(high / low) : (inside - low) / (high - low);
}

std::vector<std::pair<double, bool>> Axis::ticks() const {
    std::vector<std::pair<double, bool>> ticks;
    if (!logarithmic || high / low < 2) {    // less has too little room for two of the round numbers below
        const double distance = std::max(whole ? 1.0 : 0.0, tick_distance(high - low));
        for (double i = std::ceil(low / distance); i * distance <= high; ++i)
            ticks.emplace_back(i * distance + 0.0, true);    // 0 is not -0
        return ticks;
    }
    // Over more than two decades only 1, 2 and 5 have room for a number, over more than four only 1 does.
    const double range = high / low;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
        for (const double factor : {1.0, 2.0, 3.0, 5.0, 7.0})
            if (const double value = factor * power; value >= low && value <= high)
                if (factor == 1 || range <= 1e4)
                    ticks.emplace_back(value, factor == 1 || range <= 100 || (factor != 3 && factor != 7));
    return ticks;
}

void Panel::y_ticks() {
    for (const auto& [value, with_number] : y_axis_.ticks()) {
        canvas_.line(kLeft, y(value), kWidth - kRight, y(value), 1, kRule);
        if (!with_number) continue;
        const std::string label = short_number(value);
        canvas_.text(kLeft - 10 - Canvas::text_width(label, kScale), static_cast<int>(y(value)) - Canvas::text_height(kScale) / 2,
                     label, kInk, kScale);
    }
}

void Panel::x_ticks() {
    for (const auto& [value, with_number] : x_axis_.ticks())
        if (with_number) x_tick(value, short_number(value, 6));
}

void Panel::x_tick(double at, const std::string& label) {
    const int left = static_cast<int>(x(at)) - Canvas::text_width(label, kScale) / 2;
    canvas_.line(x(at), bottom(), x(at), bottom() + 5, 1, kInk);
    canvas_.text(left, static_cast<int>(bottom()) + 11, label, kInk, kScale);
}

void Panel::x_name(const std::string& name) {
    canvas_.line(kLeft, bottom(), kWidth - kRight, bottom(), 1, kInk);
    canvas_.text(kWidth - kRight - Canvas::text_width(name, kScale), top_ + kHeight - Canvas::text_height(kScale) - 8, name, kInk,
                 kScale);
}

void Panel::title(const std::string& left, const std::vector<std::pair<std::string, Colour>>& names) {
    canvas_.text(kLeft, top_ + 16, left, kInk, kScale);
    int end = kWidth - kRight;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        end -= Canvas::text_width(name->first, kScale);
        canvas_.text(end, top_ + 16, name->first, name->second, kScale);
        end -= 18;
    }
}

void Panel::curve(const Points& points, double thickness, Colour colour) {
    for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        const auto& [x0, y0] = points[i];
        const auto& [x1, y1] = points[i + 1];
        canvas_.line(x(x0), y(y0), x(x1), y(y1), thickness, colour);
    }
}

void Panel::points(const Points& points, Colour colour) {
    for (const auto& [px, py] : points) canvas_.line(x(px) - 0.75, y(py), x(px) + 0.75, y(py), 1.5, colour);
}

}    // namespace lull
