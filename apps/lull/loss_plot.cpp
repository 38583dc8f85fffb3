#include "apps/lull/loss_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>

#include "apps/lull/canvas.h"

namespace lull {
namespace {

constexpr Colour kWhite{1, 1, 1}, kInk{0.25f, 0.25f, 0.28f}, kRule{0.9f, 0.9f, 0.92f};
constexpr Colour kFaint{0.76f, 0.84f, 0.94f}, kStrong{0.10f, 0.37f, 0.70f};
constexpr int kWidth = 720, kHeight = 420, kScale = 2;
constexpr int kLeft = 76, kRight = 24, kTop = 48, kBottom = 58;

std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

// From the data to the canvas: x linear, y logarithmic.
struct Axes {
    double last_step, low, high;
    double x(double step) const { return kLeft + (kWidth - kLeft - kRight) * step / last_step; }
    double y(double loss) const {
        const double part = std::log(std::clamp(loss, low, high) / low) / std::log(high / low);
        return kHeight - kBottom - (kHeight - kTop - kBottom) * part;
    }
};

// 1, 2 and 5 times the powers of ten, the smallest such that at most five fit into the range.
double tick_distance(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 5)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (range / (factor * power) <= 5) return factor * power;
    return 10 * power;
}

void draw_axes(Canvas& canvas, const Axes& axes) {
    const int text_height = Canvas::text_height(kScale);
    for (double power = std::pow(10, std::floor(std::log10(axes.low))); power <= axes.high; power *= 10) {
        for (const double factor : {1.0, 2.0, 3.0, 5.0, 7.0}) {
            const double value = factor * power;
            if (value < axes.low || value > axes.high) continue;
            canvas.line(kLeft, axes.y(value), kWidth - kRight, axes.y(value), 1, kRule);
            // Over more than two decades only 1, 2 and 5 have room for a number.
            if (axes.high / axes.low > 100 && (factor == 3 || factor == 7)) continue;
            const std::string label = short_number(value);
            canvas.text(kLeft - 10 - Canvas::text_width(label, kScale), static_cast<int>(axes.y(value)) - text_height / 2, label,
                        kInk, kScale);
        }
    }
    const double distance = std::max(1.0, tick_distance(axes.last_step));
    for (double step = 0; step <= axes.last_step; step += distance) {
        canvas.line(axes.x(step), kHeight - kBottom, axes.x(step), kHeight - kBottom + 5, 1, kInk);
        const std::string label = std::to_string(std::llround(step));
        canvas.text(static_cast<int>(axes.x(step)) - Canvas::text_width(label, kScale) / 2, kHeight - kBottom + 11, label, kInk,
                    kScale);
    }
    canvas.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, 1, kInk);
    canvas.text(kWidth - kRight - Canvas::text_width("step", kScale), kHeight - text_height - 8, "step", kInk, kScale);
}

void draw_curve(Canvas& canvas, const Axes& axes, std::span<const double> values, double thickness, Colour colour) {
    const auto at = [&](std::size_t i) { return static_cast<double>(i + 1); };
    for (std::size_t i = 0; i + 1 < values.size(); ++i)
        canvas.line(axes.x(at(i)), axes.y(values[i]), axes.x(at(i + 1)), axes.y(values[i + 1]), thickness, colour);
}

}    // namespace

std::vector<double> smoothed(std::span<const double> losses) {
    std::vector<double> means;
    for (std::size_t steps = 1; steps <= losses.size(); ++steps) {
        const auto window = losses.first(steps).last(smoothing_window(steps));
        means.push_back(std::accumulate(window.begin(), window.end(), 0.0) / static_cast<double>(window.size()));
    }
    return means;
}

Tensor plot_loss(std::span<const double> losses) {
    check(!losses.empty(), "plot_loss", "expected at least one loss");
    const auto [least, most] = std::minmax_element(losses.begin(), losses.end());
    const double low = std::max(*least, 1e-12);    // a loss of 0 has no place on a logarithmic axis
    const Axes axes{static_cast<double>(losses.size()), 0.9 * low, 1.1 * std::max(*most, low)};
    const std::vector<double> means = smoothed(losses);

    Canvas canvas(kWidth, kHeight, kWhite);
    draw_axes(canvas, axes);
    draw_curve(canvas, axes, losses, 1, kFaint);
    draw_curve(canvas, axes, means, 2.5, kStrong);
    canvas.text(kLeft, 16, "loss, mean of " + std::to_string(smoothing_window(losses.size())) + " steps", kInk, kScale);
    const std::string last = short_number(means.back());
    canvas.text(kWidth - kRight - Canvas::text_width(last, kScale), 16, last, kStrong, kScale);
    return canvas.pixels();
}

}    // namespace lull
