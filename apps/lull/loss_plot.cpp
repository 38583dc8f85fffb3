#include "apps/lull/loss_plot.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "apps/lull/canvas.h"

namespace lull {
namespace {

constexpr Colour kWhite{1, 1, 1}, kInk{0.25f, 0.25f, 0.28f}, kRule{0.9f, 0.9f, 0.92f};
constexpr Colour kFaint{0.76f, 0.84f, 0.94f}, kEarlier{0.52f, 0.68f, 0.87f}, kStrong{0.10f, 0.37f, 0.70f},
    kDensity{0.96f, 0.96f, 0.97f};
constexpr int kWidth = 720, kHeight = 420, kScale = 2;    // of a panel
constexpr int kLeft = 76, kRight = 24, kTop = 48, kBottom = 58;

// Where in a curve: x in the panel's own unit, y a loss.
using Points = std::vector<std::pair<double, double>>;

std::string short_number(double value, int digits = 4) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
}

// 1, 2 and 5 times the powers of ten, the smallest such that at most five fit into the range.
double tick_distance(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 5)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (range / (factor * power) <= 5) return factor * power;
    return 10 * power;
}

// One plot of the picture: from x_low to x_high, linear (steps) or as ln σ, and over a logarithmic range of losses.
class Panel {
  public:
    // top: its upper edge on the canvas.
    Panel(Canvas& canvas, int top, double x_low, double x_high, double least, double most)
        : canvas_(canvas), top_(top), x_low_(x_low), x_high_(x_high) {
        least = std::max(least, 1e-12);    // a loss of 0 has no place on a logarithmic axis
        low_ = 0.9 * least;
        high_ = 1.1 * std::max(most, least);
    }

    void loss_axis();
    void tick(double x, const std::string& label);
    void x_axis(const std::string& name);
    void title(const std::string& left, const std::string& earlier, const std::string& strong);
    void curve(const Points& points, double thickness, Colour colour);
    // A faint area under a curve, part: its height at x as a part of the panel's.
    template <class Part>
    void area(const Part& part);

  private:
    void loss_tick(double loss, bool with_number);
    double x(double value) const { return kLeft + (kWidth - kLeft - kRight) * (value - x_low_) / (x_high_ - x_low_); }
    double bottom() const { return top_ + kHeight - kBottom; }
    double y(double loss) const {
        const double part = std::log(std::clamp(loss, low_, high_) / low_) / std::log(high_ / low_);
        return bottom() - (kHeight - kTop - kBottom) * part;
    }

    Canvas& canvas_;
    int top_;
    double x_low_, x_high_, low_ = 0, high_ = 0;
};

void Panel::loss_axis() {
    if (high_ / low_ < 2) {    // too little for two of the round numbers below
        const double distance = tick_distance(high_ - low_);
        for (double i = std::ceil(low_ / distance); i * distance <= high_; ++i) loss_tick(i * distance, true);
        return;
    }
    for (double power = std::pow(10, std::floor(std::log10(low_))); power <= high_; power *= 10)
        for (const double factor : {1.0, 2.0, 3.0, 5.0, 7.0})
            if (const double value = factor * power; value >= low_ && value <= high_)
                // Over more than two decades only 1, 2 and 5 have room for a number.
                loss_tick(value, high_ / low_ <= 100 || (factor != 3 && factor != 7));
}

void Panel::loss_tick(double loss, bool with_number) {
    canvas_.line(kLeft, y(loss), kWidth - kRight, y(loss), 1, kRule);
    if (!with_number) return;
    const std::string label = short_number(loss);
    canvas_.text(kLeft - 10 - Canvas::text_width(label, kScale), static_cast<int>(y(loss)) - Canvas::text_height(kScale) / 2,
                 label, kInk, kScale);
}

void Panel::tick(double at, const std::string& label) {
    const int left = static_cast<int>(x(at)) - Canvas::text_width(label, kScale) / 2;
    canvas_.line(x(at), bottom(), x(at), bottom() + 5, 1, kInk);
    canvas_.text(left, static_cast<int>(bottom()) + 11, label, kInk, kScale);
}

void Panel::x_axis(const std::string& name) {
    canvas_.line(kLeft, bottom(), kWidth - kRight, bottom(), 1, kInk);
    canvas_.text(kWidth - kRight - Canvas::text_width(name, kScale), top_ + kHeight - Canvas::text_height(kScale) - 8, name, kInk,
                 kScale);
}

void Panel::title(const std::string& left, const std::string& earlier, const std::string& strong) {
    canvas_.text(kLeft, top_ + 16, left, kInk, kScale);
    int end = kWidth - kRight;
    for (const auto& [text, colour] : {std::pair{strong, kStrong}, std::pair{earlier, kEarlier}}) {
        end -= Canvas::text_width(text, kScale);
        canvas_.text(end, top_ + 16, text, colour, kScale);
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

template <class Part>
void Panel::area(const Part& part) {
    for (int column = kLeft; column < kWidth - kRight; ++column) {
        const double value = x_low_ + (x_high_ - x_low_) * (column + 0.5 - kLeft) / (kWidth - kLeft - kRight);
        canvas_.line(column + 0.5, bottom(), column + 0.5, bottom() - (kHeight - kTop - kBottom) * part(value), 1, kDensity);
    }
}

Points points_by_step(std::span<const double> losses) {
    Points points;
    for (const double loss : losses) points.emplace_back(static_cast<double>(points.size() + 1), loss);
    return points;
}

void draw_by_step(Canvas& canvas, std::span<const double> losses) {
    const auto [least, most] = std::minmax_element(losses.begin(), losses.end());
    const std::vector<double> means = smoothed(losses);
    const auto steps = static_cast<double>(losses.size());
    Panel panel(canvas, 0, 0, steps, *least, *most);
    panel.loss_axis();
    const double distance = std::max(1.0, tick_distance(steps));
    for (double step = 0; step <= steps; step += distance) panel.tick(step, std::to_string(std::llround(step)));
    panel.x_axis("step");
    panel.curve(points_by_step(losses), 1, kFaint);
    panel.curve(points_by_step(means), 2.5, kStrong);
    panel.title("loss, mean of up to " + std::to_string(smoothing_window(losses.size())) + " steps", "",
                short_number(means.back()));
}

// The records of steps after `after`, up to `last`, as one curve over ln σ; `steps` becomes "steps 980-1300".
Points points_by_sigma(const SigmaBuckets& buckets, std::span<const SigmaRecord> records, double after, double last,
                       std::string& steps) {
    SigmaMeans means;
    std::int64_t before = 0, first_step = 0, last_step = 0;
    for (const SigmaRecord& record : records) {
        if (static_cast<double>(record.step) > after && static_cast<double>(record.step) <= last) {
            if (first_step == 0) first_step = before + 1;
            last_step = record.step;
            means.add(record.means);
        }
        before = record.step;
    }
    steps = last_step > 0 ? "steps " + std::to_string(first_step) + "-" + std::to_string(last_step) : "";
    Points points;
    const auto centres = buckets.centres();
    for (std::size_t i = 0; i < centres.size(); ++i)
        if (means.images[i] > 0) points.emplace_back(std::log(centres[i]), means.loss[i]);
    return points;
}

void draw_by_sigma(Canvas& canvas, const SigmaBuckets& buckets, std::span<const SigmaRecord> records) {
    const auto steps = static_cast<double>(records.back().step);
    std::string earlier_steps, now_steps;
    const Points earlier = points_by_sigma(buckets, records, steps / 4, steps / 2, earlier_steps);
    const Points now = points_by_sigma(buckets, records, 3 * steps / 4, steps, now_steps);

    double least = std::numeric_limits<double>::infinity(), most = 0;
    for (const Points* points : {&earlier, &now})
        for (const auto& [x, loss] : *points) {
            least = std::min(least, loss);
            most = std::max(most, loss);
        }
    const auto& [mean, std] = buckets.spread;
    const double low = mean - 2 * std, high = mean + 2 * std;
    double peak = 0;    // of the density
    for (int i = 0; i <= 100; ++i) peak = std::max(peak, density(buckets.noise_levels, low + (high - low) * i / 100));
    Panel panel(canvas, kHeight, low, high, least, most);
    panel.area([&](double log_sigma) { return std::min(1.0, 0.95 * density(buckets.noise_levels, log_sigma) / peak); });
    panel.loss_axis();
    for (const double sigma : buckets.bounds()) panel.tick(std::log(sigma), short_number(sigma, 2));
    panel.x_axis("noise level sigma; grey: how often it is drawn");
    panel.curve(earlier, 2.5, kEarlier);
    panel.curve(now, 2.5, kStrong);
    panel.title("loss at sigma", earlier_steps, now_steps);
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

Tensor plot_loss(std::span<const double> losses, const SigmaBuckets& buckets, std::span<const SigmaRecord> by_sigma) {
    check(!losses.empty(), "plot_loss", "expected at least one loss");
    Canvas canvas(kWidth, by_sigma.empty() ? kHeight : 2 * kHeight, kWhite);
    draw_by_step(canvas, losses);
    if (!by_sigma.empty()) draw_by_sigma(canvas, buckets, by_sigma);
    return canvas.pixels();
}

}    // namespace lull
