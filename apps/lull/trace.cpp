#include "apps/lull/trace.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <sstream>

#include "apps/lull/panel.h"
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

Points level_line(double value, double steps) { return {{0, value}, {steps, value}}; }

// Curves in one panel over the steps.
struct Curve {
    std::string name;
    Colour colour;
    Points points;
    double thickness = 2.5;
};

void draw(Canvas& canvas, int top, const std::string& title, double steps, bool logarithmic, const std::vector<Curve>& curves) {
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (const Curve& curve : curves)
        for (const auto& [x, y] : curve.points) {
            if (logarithmic && y <= 0) continue;    // σ = 0 at the end has no place
            least = std::min(least, y);
            most = std::max(most, y);
        }
    const Axis y = logarithmic ? Axis::logarithmic_around(least, most) : Axis::around(least, most);
    Panel panel(canvas, top, {.low = 0, .high = steps, .whole = true}, y);
    panel.y_ticks();
    panel.x_ticks();
    std::vector<std::pair<std::string, Colour>> names;
    for (const Curve& curve : curves) {
        panel.curve(curve.points, curve.thickness, curve.colour);
        if (!curve.name.empty() && !curve.points.empty()) names.emplace_back(curve.name, curve.colour);
    }
    panel.x_name("step");
    panel.title(title, names);
}

}    // namespace

Denoiser Trace::watch(Denoiser D) {
    return [this, D = std::move(D)](const Tensor& x, double sigma) {
        ++evaluations_;
        return y_ = D(x, sigma);
    };
}

PerImageDenoiser Trace::watch(PerImageDenoiser D) {
    return [this, D = std::move(D)](const Tensor& x, const Tensor& sigma) {
        ++evaluations_;
        return y_ = D(x, sigma);
    };
}

void Trace::see(const LevelReport& report) {
    if (answers_) return;    // the step's first
    std::vector<double> abar;
    for (const double sigma : report.predicted) abar.push_back(alpha_bar(sigma));
    const auto [least, most] = std::minmax_element(abar.begin(), abar.end());
    answers_ = {*least, lower_median(abar), *most, report.clamped()};
}

std::optional<double> Trace::noise_in(const Tensor& x, double sigma) const {
    if (!judge_) return std::nullopt;
    return lower_median(judge_(x, full({x.size(0), 1, 1, 1}, sigma, x.dtype())).sigma.values());
}

void Trace::see(const SamplerState& state) {
    TraceRow row{.first = state.first, .images = state.x.size(0), .step = state.step, .sigma = state.sigma};
    row.evaluations = evaluations_;
    row.x = statistics_of(state.x);
    row.noise_in_x = noise_in(state.x, state.sigma);
    if (y_.defined() && y_.shape() == state.x.shape()) {    // an adaptive step is of some images only
        row.y = statistics_of(y_);
        row.noise_in_y = noise_in(y_, 0);
    }
    row.answers = answers_;
    rows_.push_back(row);
    y_ = {};
    evaluations_ = 0;
    answers_.reset();
}

void Trace::see_end(const Tensor& images) {
    if (evaluations_ > 0) see(SamplerState{rows_.back().first, rows_.back().step + 1, 0, images});
}

void write_trace(const std::filesystem::path& path, std::span<const TraceRow> rows) {
    std::ostringstream out;
    out.precision(6);
    out << "first\timages\tstep\tsigma\tevaluations\tx_mean\tx_std\ty_mean\ty_std\tnoise_in_x\tnoise_in_y\tabar_min\tabar_"
           "median\t"
           "abar_max\tclamped\n";
    const auto known = [&](const std::optional<double>& value) {
        out << '\t';
        if (value) out << *value;
    };
    for (const TraceRow& row : rows) {
        out << row.first << '\t' << row.images << '\t' << row.step + 1 << '\t' << row.sigma << '\t' << row.evaluations << '\t'
            << row.x.mean << '\t' << row.x.std;
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
    const auto of_y = [](double Statistics::*part) {
        return [part](const TraceRow& row) { return row.y ? std::optional((*row.y).*part) : std::nullopt; };
    };
    Canvas canvas(Panel::kWidth, 2 * Panel::kHeight, kWhite);
    draw(canvas, 0, "noise", steps, true,
         {{"sigma", kEarlier, over_steps(rows, [](const TraceRow& row) { return std::optional(row.sigma); })},
          {"seen in x", kStrong, over_steps(rows, [](const TraceRow& row) { return row.noise_in_x; })},
          {"seen in D", kOther, over_steps(rows, [](const TraceRow& row) { return row.noise_in_y; })}});
    std::vector<Curve> curves{{"mean of D", kStrong, over_steps(rows, of_y(&Statistics::mean))},
                              {"its deviation", kOther, over_steps(rows, of_y(&Statistics::std))}};
    if (data) {
        curves.push_back({"the data's", kInk, level_line(data->mean, steps), 1});
        curves.push_back({"", kInk, level_line(data->std, steps), 1});
    }
    draw(canvas, Panel::kHeight, "", steps, false, curves);
    return canvas.pixels();
}

}    // namespace lull
