// The training loop: forward, backward, one optimizer step, hooks that watch, and a question whether to stop.
//
//     train(parameters, optimizer, [&](Positions batch) { return loss_of(batch); }, {.steps = 1300, .batch = 64, .schedule = …},
//           {{.every = 1, .run = [&](const TrainedStep& s) { log(s); }}, {.every = 200, .run = save}});
//
// What a model learns from is the caller's business: the loop only says which positions of the training stream, 0, 1, …,
// a pass is to use. Sample, order, noise and augmentation are functions of the position (engine/random.h), so a run that is
// continued from its saved state goes on as if it had never stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/error.h"
#include "engine/tensor.h"
#include "nn/ema.h"
#include "nn/lr_schedule.h"
#include "nn/optim.h"
#include "nn/parameters.h"

namespace lull {

// Places in the training stream.
using Positions = std::span<const std::uint64_t>;

// The loss of one batch: a scalar, the mean over the batch, differentiable in the parameters.
using BatchLoss = std::function<Tensor(Positions)>;

struct TrainerOptions {
    std::int64_t steps = 1000;      // of the optimizer, all in all
    std::int64_t first_step = 0;    // how many a restored run has already made
    std::int64_t batch = 64;        // samples per pass
    std::int64_t accumulate = 1;    // passes per step, whose gradients are averaged: a batch larger than memory
    LrSchedule schedule = Constant{1e-3};
    EmaDecay ema{};
    std::function<bool(std::int64_t steps_made)> stop{};    // asked after a step and its hooks; true: it was the last for now
};

// One step, after it was made.
struct TrainedStep {
    std::int64_t step = 0;     // how many steps are made, this one included
    std::int64_t steps = 0;    // how many there will be
    double loss = 0;           // of the batch, before the step
    double learning_rate = 0;
    double gradient_norm = 0;    // before clipping
    double seconds = 0;          // that the step took, without hooks
    double samples = 0;          // that it used
};

// Runs after every `every` steps and after the last of `steps`. Hooks run in their order.
struct Hook {
    std::int64_t every = 1;
    std::function<void(const TrainedStep&)> run;
};

// The loss or the gradient is NaN or infinite.
class NotFinite : public Error {
  public:
    using Error::Error;
};

// Trains from first_step to steps, or until `stop` says so, and returns how many steps are made. Throws NotFinite when the
// loss or the gradient is not finite, naming the step; weights, buffers, moments and EMA are then those of the step before,
// and no hook has seen the bad one. Throws Error when steps, batch, accumulate or a hook's `every` is not positive.
std::int64_t train(Parameters& parameters, AdamW& optimizer, const BatchLoss& loss, const TrainerOptions& options,
                   const std::vector<Hook>& hooks = {});

// How long a step takes, in seconds: the median of a few forward and backward passes after a first one, without learning
// anything.
double seconds_per_step(Parameters& parameters, const BatchLoss& loss, const TrainerOptions& options);

}    // namespace lull
