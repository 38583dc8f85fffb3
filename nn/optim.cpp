#include "nn/optim.h"

#include <cmath>

#include "engine/ops/adamw/adamw.h"

namespace lull {

double StepReport::gradient_norm() const { return std::sqrt(square_sum.item()) * gradient_scale; }

StepReport AdamW::step(Parameters& parameters, const Rate& rate, double ema_decay, double gradient_scale, const Tensor& loss) {
    const StepReport report{square_sum(parameters.gradients), gradient_scale};
    const bool known = parameters.device() == Device::cpu;
    if (known && !(std::isfinite(report.gradient_norm()) && (!loss.defined() || std::isfinite(loss.item())))) return report;

    const double beta1 = rate.beta1.value_or(options_.beta1);
    const auto t = static_cast<double>(++steps);
    adamw_step(parameters.weights, parameters.gradients, parameters.first_moment, parameters.second_moment, parameters.ema,
               report.square_sum, loss,
               {.learning_rate = rate.learning_rate,
                .beta1 = beta1,
                .beta2 = options_.beta2,
                .eps = options_.eps,
                .weight_decay = options_.weight_decay,
                .decayed = parameters.decayed(),
                // A cycled β₁ corrects as if it had been so from the start: as torch.optim.AdamW.
                .beta1_power = std::pow(beta1, t),
                .beta2_power = std::pow(options_.beta2, t),
                .gradient_scale = gradient_scale,
                .max_norm = options_.max_norm,
                .ema_decay = ema_decay});
    return report;
}

}    // namespace lull
