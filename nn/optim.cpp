#include "nn/optim.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/adamw/adamw.h"

namespace lull {

StepReport AdamW::step(Parameters& parameters, const Rate& rate, double ema_decay, double gradient_scale) {
    const double norm = global_norm(parameters.gradients) * gradient_scale;
    if (!std::isfinite(norm)) return {norm, false};

    const double beta1 = rate.beta1.value_or(options_.beta1);
    const auto t = static_cast<double>(++steps);
    const double clipping = std::min(1.0, options_.max_norm / (norm + 1e-6));    // as torch.nn.utils.clip_grad_norm_
    adamw_step(parameters.weights, parameters.gradients, parameters.first_moment, parameters.second_moment, parameters.ema,
               {.learning_rate = rate.learning_rate,
                .beta1 = beta1,
                .beta2 = options_.beta2,
                .eps = options_.eps,
                .weight_decay = options_.weight_decay,
                .decayed = parameters.decayed(),
                // A cycled β₁ corrects as if it had been so from the start: as torch.optim.AdamW.
                .beta1_power = std::pow(beta1, t),
                .beta2_power = std::pow(options_.beta2, t),
                .gradient_scale = gradient_scale * clipping,
                .ema_decay = ema_decay});
    return {norm, true};
}

}    // namespace lull
