#include "apps/lull/predictor_plot.h"

#include "apps/lull/panel.h"

namespace lull {

Tensor plot_levels(const NoiseLevelTask& task, const LevelAnswers& answers) {
    const Axis axis = Axis::logarithmic_around(task.least(), task.most());
    Canvas canvas(Panel::kWidth, Panel::kHeight, kWhite);
    Panel panel(canvas, 0, axis, axis);
    panel.y_ticks();
    panel.x_ticks();
    panel.curve({{axis.low, axis.low}, {axis.high, axis.high}}, 1, kOther);
    Points points;
    for (std::size_t i = 0; i < answers.sigma.size(); ++i) points.emplace_back(answers.sigma[i], answers.predicted[i]);
    panel.points(points, kStrong);
    panel.x_name("true noise level sigma");
    panel.title("predicted sigma", {{"loss " + short_number(answers.loss), kStrong}});
    return canvas.pixels();
}

}    // namespace lull
