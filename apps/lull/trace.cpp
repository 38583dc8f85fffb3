#include "apps/lull/trace.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <sstream>
#include <utility>

#include "apps/lull/panel.h"
#include "diffusion/denoiser.h"
#include "diffusion/schedule.h"
#include "engine/io/file.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {
namespace {

Statistics statistics_of(const Tensor& x) {
    const double middle = mean(x).item();
    return {middle, std::sqrt(mean(sq(x - middle)).item())};
}

// A number's mean over the batches at every step where it is known, each batch counting by its images.
Points over_steps(std::span<const TraceRow> rows, const std::function<std::optional<double>(const TraceRow&)>& value) {
    std::map<int, std::pair<double, double>> sums;    // by step: of value · images, and of images
    for (const TraceRow& row : rows)
        if (const auto known = value(row)) {
            auto& [sum, images] = sums[row.step];
            sum += *known * static_cast<double>(row.images);
            images += static_cast<double>(row.images);
        }
    Points points;
    for (const auto& [step, sum] : sums) points.emplace_back(step + 1, sum.first / sum.second);
    return points;
}

// Curves in one panel over the steps.
struct Curve {
    std::string name;
    Colour colour;
    Points points;
    double thickness = 2.5;
};

// An axis that has room for all of these.
Axis axis_of(const std::vector<Curve>& curves, bool logarithmic) {
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (const Curve& curve : curves)
        for (const auto& [x, y] : curve.points) {
            if (logarithmic && y <= 0) continue;    // σ = 0 at the end has no place
            least = std::min(least, y);
            most = std::max(most, y);
        }
    if (least > most) return {};    // nothing is known
    return logarithmic ? Axis::logarithmic_around(least, most) : Axis::around(least, most);
}

void draw(Canvas& canvas, int top, const std::string& title, double steps, const Axis& axis, const std::vector<Curve>& curves) {
    Panel panel(canvas, top, {.low = 0, .high = steps, .whole = true}, axis);
    panel.y_ticks();
    panel.x_ticks();
    std::vector<std::pair<std::string, Colour>> names;
    for (const Curve& curve : curves) {
        panel.curve(curve.points, curve.thickness, curve.colour);
        if (!curve.points.empty()) names.emplace_back(curve.name, curve.colour);
    }
    panel.x_name("step");
    panel.title(title, names);
}

// The mean or the deviation of ŷ and the data, and of x where it is no further away than they are: at first it is all noise.
void draw_statistics(Canvas& canvas, int top, const std::string& title, double steps, std::span<const TraceRow> rows,
                     const std::optional<Statistics>& data, double Statistics::*part) {
    const auto of_y = [part](const TraceRow& row) { return row.y ? std::optional((*row.y).*part) : std::nullopt; };
    std::vector<Curve> curves{{"D", kStrong, over_steps(rows, of_y)}};
    if (data) curves.push_back({"the data", kOther, {{0, (*data).*part}, {steps, (*data).*part}}, 1.5});
    const Axis axis = axis_of(curves, false);
    const auto of_x = [&](const TraceRow& row) {
        const double value = row.x.*part;
        return axis.low <= value && value <= axis.high ? std::optional(value) : std::nullopt;
    };
    curves.insert(curves.begin(), {"x", kEarlier, over_steps(rows, of_x)});
    draw(canvas, top, title, steps, axis, curves);
}

}    // namespace

void Trace::see_denoised(const Tensor& y, std::int64_t asked) {
    y_ = y;
    asked_ = asked;
    ++evaluations_;
}

void Trace::see(const NoiseEstimate& estimate) {
    if (answers_) return;    // the step's first
    std::vector<double> abar;
    for (const double sigma : estimate.predicted) abar.push_back(alpha_bar(sigma));
    const auto [least, most] = std::minmax_element(abar.begin(), abar.end());
    answers_ = {*least, lower_median(abar), *most, estimate.clamped};
}

std::optional<double> Trace::noise_in(const Tensor& x, double sigma) const {
    if (!judge_) return std::nullopt;
    return lower_median(judge_(x, sigmas_of(x, sigma)).sigma.values());
}

void Trace::see(const SamplerState& state) {
    TraceRow row{.first = state.first, .images = state.x.size(0), .step = state.step, .sigma = state.sigma};
    row.asked = asked_;
    row.evaluations = evaluations_;
    row.x = statistics_of(state.x);
    row.noise_in_x = noise_in(state.x, state.sigma);
    if (y_.defined()) {
        row.y = statistics_of(clamp(y_, black_, white_));
        row.noise_in_y = noise_in(y_, 0);
    }
    row.answers = answers_;
    rows_.push_back(row);
    y_ = {};
    asked_ = evaluations_ = 0;
    answers_.reset();
}

void Trace::see_end(const Tensor& images) {
    if (evaluations_ > 0) see(SamplerState{rows_.back().first, rows_.back().step + 1, 0, images});
}

void write_trace(const std::filesystem::path& path, std::span<const TraceRow> rows) {
    std::ostringstream out;
    out.precision(6);
    const char* columns[] = {"first",  "images", "asked",      "step",       "sigma",    "evaluations", "x_mean",   "x_std",
                             "y_mean", "y_std",  "noise_in_x", "noise_in_y", "abar_min", "abar_median", "abar_max", "clamped"};
    const char* separator = "";
    for (const char* column : columns) out << std::exchange(separator, "\t") << column;
    out << '\n';
    const auto known = [&](const std::optional<double>& value) {
        out << '\t';
        if (value) out << *value;
    };
    for (const TraceRow& row : rows) {
        out << row.first << '\t' << row.images << '\t' << row.asked << '\t' << row.step + 1 << '\t' << row.sigma << '\t'
            << row.evaluations << '\t' << row.x.mean << '\t' << row.x.std;
        known(row.y ? std::optional(row.y->mean) : std::nullopt);
        known(row.y ? std::optional(row.y->std) : std::nullopt);
        known(row.noise_in_x);
        known(row.noise_in_y);
        const auto& a = row.answers;
        for (const auto part :
             {&TraceRow::Answers::least, &TraceRow::Answers::median, &TraceRow::Answers::most, &TraceRow::Answers::clamped})
            known(a ? std::optional((*a).*part) : std::nullopt);
        out << '\n';
    }
    write_file(path, out.str());
}

Tensor plot_trace(std::span<const TraceRow> rows, const std::optional<Statistics>& data) {
    check(!rows.empty(), "plot_trace", "expected at least one step");
    double steps = 1;
    for (const TraceRow& row : rows) steps = std::max(steps, row.step + 1.0);
    const std::vector<Curve> noise{
        {"sigma", kEarlier, over_steps(rows, [](const TraceRow& row) { return std::optional(row.sigma); })},
        {"seen in x", kStrong, over_steps(rows, [](const TraceRow& row) { return row.noise_in_x; })},
        {"seen in D", kOther, over_steps(rows, [](const TraceRow& row) { return row.noise_in_y; })}};
    Canvas canvas(Panel::kWidth, 3 * Panel::kHeight, kWhite);
    draw(canvas, 0, "noise", steps, axis_of(noise, true), noise);
    draw_statistics(canvas, Panel::kHeight, "mean", steps, rows, data, &Statistics::mean);
    draw_statistics(canvas, 2 * Panel::kHeight, "deviation", steps, rows, data, &Statistics::std);
    return canvas.pixels();
}

}    // namespace lull
