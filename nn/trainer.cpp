#include "nn/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <sstream>

#include "engine/error.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Forward and backward passes of one step; gradients add up. Returns the passes' losses.
std::vector<Tensor> accumulate_gradients(Parameters& parameters, const BatchLoss& loss, const TrainerOptions& options,
                                         std::int64_t step) {
    std::vector<std::uint64_t> positions(static_cast<std::size_t>(options.batch));
    std::vector<Tensor> losses;
    parameters.begin_step();
    for (std::int64_t pass = 0; pass < options.accumulate; ++pass) {
        std::iota(positions.begin(), positions.end(),
                  static_cast<std::uint64_t>((step * options.accumulate + pass) * options.batch));
        const Tensor value = loss(positions);
        value.backward();
        losses.push_back(value.detach());
    }
    parameters.finish_step();
    return losses;
}

// On CUDA this waits for the device.
double mean_of(const std::vector<Tensor>& losses) {
    const auto add = [](double sum, const Tensor& loss) { return sum + loss.item(); };
    return std::accumulate(losses.begin(), losses.end(), 0.0, add) / static_cast<double>(losses.size());
}

// The same as a tensor, which nobody waits for.
Tensor mean_loss(const std::vector<Tensor>& losses) {
    const auto f32 = [](const Tensor& loss) { return loss.to(DType::f32).reshape({}); };
    if (losses.size() == 1) return f32(losses[0]);
    const double share = 1 / static_cast<double>(losses.size());
    const auto add = [&](const Tensor& sum, const Tensor& loss) { return sum + share * f32(loss); };
    return std::accumulate(losses.begin() + 1, losses.end(), share * f32(losses[0]), add);
}

void check_finite(double value, const char* what, std::int64_t steps_made) {
    if (std::isfinite(value)) return;
    std::ostringstream message;
    message << "[train] step " << steps_made + 1 << ": " << what << " is ";
    message << (std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf") << "; the weights of step " << steps_made << " are kept";
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
        const std::int64_t optimizer_steps = optimizer.steps;
        const auto check_number = [&](double number, const char* what) {
            if (!std::isfinite(number)) {    // nothing was learned: as it was before the forward passes
                parameters.restore_buffers(buffers);
                optimizer.steps = optimizer_steps;
            }
            check_finite(number, what, step);
        };
        const std::vector<Tensor> losses = accumulate_gradients(parameters, loss, options, step);
        const Rate rate = options.schedule(step);
        const double scale = 1 / static_cast<double>(options.accumulate);
        const StepReport report = optimizer.step(parameters, rate, options.ema(step), scale, mean_loss(losses));

        // Here, and nowhere before, a step on CUDA is waited for.
        const double value = mean_of(losses), gradient_norm = report.gradient_norm();
        check_number(value, "the loss");
        check_number(gradient_norm, "the gradient's norm");

        const TrainedStep done{.step = step + 1,
                               .steps = options.steps,
                               .loss = value,
                               .learning_rate = rate.learning_rate,
                               .gradient_norm = gradient_norm,
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
        mean_of(accumulate_gradients(parameters, loss, options, options.first_step));
        if (i > 0) seconds.push_back(seconds_since(start));    // the first one fills the arena
    }
    parameters.restore_buffers(buffers);
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

}    // namespace lull
