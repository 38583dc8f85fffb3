#include "apps/lull/loss_plot.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "apps/lull/panel.h"

namespace lull {
namespace {

Points points_by_step(std::span<const double> losses) {
    Points points;
    for (const double loss : losses) points.emplace_back(static_cast<double>(points.size() + 1), loss);
    return points;
}

void draw_by_step(Canvas& canvas, std::span<const double> losses) {
    const auto [least, most] = std::minmax_element(losses.begin(), losses.end());
    const std::vector<double> means = smoothed(losses);
    const auto steps = static_cast<double>(losses.size());
    Panel panel(canvas, 0, {.low = 0, .high = steps, .whole = true}, Axis::logarithmic_around(*least, *most));
    panel.y_ticks();
    panel.x_ticks();
    panel.x_name("step");
    panel.curve(points_by_step(losses), 1, kFaint);
    panel.curve(points_by_step(means), 2.5, kStrong);
    panel.title("loss, mean of up to " + std::to_string(smoothing_window(losses.size())) + " steps",
                {{short_number(means.back()), kStrong}});
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
    for (int i = 0; i <= 100; ++i) peak = std::max(peak, density(buckets.noise_distribution, low + (high - low) * i / 100));
    Panel panel(canvas, Panel::kHeight, {.low = low, .high = high}, Axis::logarithmic_around(least, most));
    panel.area([&](double log_sigma) { return std::min(1.0, 0.95 * density(buckets.noise_distribution, log_sigma) / peak); });
    panel.y_ticks();
    for (const double sigma : buckets.bounds()) panel.x_tick(std::log(sigma), short_number(sigma, 2));
    panel.x_name("noise level sigma; grey: how often it is drawn");
    panel.curve(earlier, 2.5, kEarlier);
    panel.curve(now, 2.5, kStrong);
    panel.title("loss at sigma", {{earlier_steps, kEarlier}, {now_steps, kStrong}});
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
    Canvas canvas(Panel::kWidth, by_sigma.empty() ? Panel::kHeight : 2 * Panel::kHeight, kWhite);
    draw_by_step(canvas, losses);
    if (!by_sigma.empty()) draw_by_sigma(canvas, buckets, by_sigma);
    return canvas.pixels();
}

}    // namespace lull
