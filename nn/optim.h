// Optimizers over flat parameters.
#pragma once

#include <cstdint>
#include <limits>

#include "nn/lr_schedule.h"
#include "nn/parameters.h"

namespace lull {

struct AdamWOptions {
    double beta1 = 0.9, beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;    // decoupled; of parameters with two axes or more. 0 makes it Adam
    double max_norm = std::numeric_limits<double>::infinity();    // gradients longer than this are scaled down to it
};

struct StepReport {
    double gradient_norm = 0;    // of the whole gradient, before clipping
    bool applied = false;        // false: the norm was not finite, and nothing was changed
};

// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with clipping by global norm, and the EMA, in one pass.
class AdamW {
  public:
    explicit AdamW(const AdamWOptions& options = {}) : options_(options) {}

    // One step on `parameters.gradients`, which are multiplied by gradient_scale first (1/k after k accumulated passes);
    // rate: of this step, from a schedule; ema_decay: from EmaDecay. Updates weights, moments and EMA.
    StepReport step(Parameters& parameters, const Rate& rate, double ema_decay, double gradient_scale = 1);

    const AdamWOptions& options() const { return options_; }

    // Steps applied: all that an optimizer remembers beside the moments.
    std::int64_t steps = 0;

  private:
    AdamWOptions options_;
};

}    // namespace lull
