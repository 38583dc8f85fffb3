#include "nn/optim.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/adamw/adamw.h"

namespace lull {

StepReport AdamW::step(Parameters& parameters, const Rate& rate, double ema_decay, double gradient_scale) {
    const double norm = global_norm(parameters.gradients) * gradient_scale;
    if (!std::isfinite(norm)) return {norm, false};

    const double beta1 = rate.beta1.value_or(options_.beta1);
    ++state.steps;
    state.beta1_power *= beta1;
    state.beta2_power *= options_.beta2;
    const double clipping = std::min(1.0, options_.max_norm / (norm + 1e-6));    // as torch.nn.utils.clip_grad_norm_
    adamw_step(parameters.weights, parameters.gradients, parameters.first_moment, parameters.second_moment, parameters.ema,
               {.learning_rate = rate.learning_rate,
                .beta1 = beta1,
                .beta2 = options_.beta2,
                .eps = options_.eps,
                .weight_decay = options_.weight_decay,
                .decayed = parameters.decayed(),
                .beta1_power = state.beta1_power,
                .beta2_power = state.beta2_power,
                .gradient_scale = gradient_scale * clipping,
                .ema_decay = ema_decay});
    ++parameters.ema.storage()->version;
    return {norm, true};
}

}    // namespace lull
