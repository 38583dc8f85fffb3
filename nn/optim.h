// Optimizers over flat parameters.
#pragma once

#include <cstdint>
#include <limits>

#include "engine/tensor.h"
#include "nn/lr_schedule.h"
#include "nn/parameters.h"

namespace lull {

struct AdamWOptions {
    double beta1 = 0.9, beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;    // decoupled; of parameters with two axes or more. 0 makes it Adam
    double max_norm = std::numeric_limits<double>::infinity();    // gradients longer than this are scaled down to it
};

// What a step found, read when it is asked for: on CUDA that waits for the step.
struct StepReport {
    Tensor square_sum;    // of the gradient, an f64 scalar
    double gradient_scale = 1;

    double gradient_norm() const;    // of the whole gradient, before clipping
};

// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with clipping by global norm, and the EMA, in one pass.
class AdamW {
  public:
    explicit AdamW(const AdamWOptions& options = {}) : options_(options) {}

    // One step on `parameters.gradients`, which are multiplied by gradient_scale first (1/k after k accumulated passes);
    // rate: of this step, from a schedule; ema_decay: from EmaDecay. Updates weights, moments and EMA; nothing of them when the
    // norm, or the loss where it is given (a scalar), is not finite. On the CPU such a step is not counted either; on CUDA
    // nothing is read back here, and who reads the report takes it off the count.
    StepReport step(Parameters& parameters, const Rate& rate, double ema_decay, double gradient_scale = 1,
                    const Tensor& loss = {});

    const AdamWOptions& options() const { return options_; }

    // Steps applied: all that an optimizer remembers beside the moments.
    std::int64_t steps = 0;

  private:
    AdamWOptions options_;
};

}    // namespace lull
