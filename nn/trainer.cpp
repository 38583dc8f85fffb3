#include "nn/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <sstream>

#include "engine/error.h"

namespace lull {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Forward and backward passes of one step; gradients add up. Returns the mean loss.
double accumulate_gradients(Parameters& parameters, const BatchLoss& loss, const TrainerOptions& options, std::int64_t step) {
    std::vector<std::uint64_t> positions(static_cast<std::size_t>(options.batch));
    double sum = 0;
    parameters.begin_step();
    for (std::int64_t pass = 0; pass < options.accumulate; ++pass) {
        std::iota(positions.begin(), positions.end(),
                  static_cast<std::uint64_t>((step * options.accumulate + pass) * options.batch));
        const Tensor value = loss(positions);
        value.backward();
        sum += value.item();
    }
    parameters.finish_step();
    return sum / static_cast<double>(options.accumulate);
}

void check_finite(double value, const char* what, std::int64_t steps_made) {
    if (std::isfinite(value)) return;
    std::ostringstream message;
    message << "[train] step " << steps_made + 1 << ": " << what << " is " << value << "; the weights of step " << steps_made
            << " are kept";
    throw NotFinite(message.str());
}

void check_options(const TrainerOptions& options, const std::vector<Hook>& hooks) {
    check(options.steps > 0 && options.batch > 0 && options.accumulate > 0, "train",
          "expected steps, batch and accumulate > 0, got ", options.steps, ", ", options.batch, " and ", options.accumulate);
    for (const Hook& hook : hooks) check(hook.every > 0, "train", "expected a hook's `every` > 0, got ", hook.every);
}

}    // namespace

std::int64_t train(Parameters& parameters, AdamW& optimizer, const BatchLoss& loss, const TrainerOptions& options,
                   const std::vector<Hook>& hooks) {
    check_options(options, hooks);
    for (std::int64_t step = options.first_step; step < options.steps; ++step) {
        const auto start = Clock::now();
        const Tensor buffers = parameters.copy_buffers();
        const auto check_number = [&](double number, const char* what) {
            if (!std::isfinite(number)) parameters.restore_buffers(buffers);    // as they were before the forward passes
            check_finite(number, what, step);
        };
        const double value = accumulate_gradients(parameters, loss, options, step);
        check_number(value, "the loss");

        const Rate rate = options.schedule(step);
        const double scale = 1 / static_cast<double>(options.accumulate);
        const StepReport report = optimizer.step(parameters, rate, options.ema(step), scale);
        check_number(report.gradient_norm, "the gradient's norm");

        const TrainedStep done{.step = step + 1,
                               .steps = options.steps,
                               .loss = value,
                               .learning_rate = rate.learning_rate,
                               .gradient_norm = report.gradient_norm,
                               .seconds = seconds_since(start),
                               .samples = static_cast<double>(options.batch * options.accumulate)};
        for (const Hook& hook : hooks)
            if (done.step % hook.every == 0 || done.step == done.steps) hook.run(done);
        if (options.stop && options.stop(done.step)) return done.step;
    }
    return std::max(options.first_step, options.steps);
}

double seconds_per_step(Parameters& parameters, const BatchLoss& loss, const TrainerOptions& options) {
    check_options(options, {});
    std::vector<double> seconds;
    const Tensor buffers = parameters.copy_buffers();
    for (int i = 0; i < 6; ++i) {
        const auto start = Clock::now();
        accumulate_gradients(parameters, loss, options, options.first_step);
        if (i > 0) seconds.push_back(seconds_since(start));    // the first one fills the arena
    }
    parameters.restore_buffers(buffers);
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

}    // namespace lull
