#include "nn/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace lull {

namespace {

// Half a cosine from `from` (fraction 0) to `to` (fraction 1).
double half_cosine(double from, double to, double fraction) {
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * fraction));
}

// The factor of a linear warm-up: 1 once it is over.
double warm_up(std::int64_t step, std::int64_t warmup) {
    return std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warmup + 1));
}

}    // namespace

Rate OneCycle::operator()(std::int64_t step) const {
    check(total_steps >= 2, "one_cycle", "expected at least 2 steps, got ", total_steps);
    const double at = static_cast<double>(std::min(step, total_steps - 1));
    const double last = static_cast<double>(total_steps - 1);
    const double peak = pct_start * static_cast<double>(total_steps) - 1;    // PyTorch's; need not be a whole number
    const double first_lr = max_lr / div_factor;
    if (at <= peak && peak > 0) {
        const double fraction = at / peak;
        return {half_cosine(first_lr, max_lr, fraction), half_cosine(max_beta1, base_beta1, fraction)};
    }
    const double fraction = (at - peak) / (last - peak);
    return {half_cosine(max_lr, first_lr / final_div_factor, fraction), half_cosine(base_beta1, max_beta1, fraction)};
}

Rate Constant::operator()(std::int64_t step) const { return {lr * warm_up(step, warmup), {}}; }

Rate Cosine::operator()(std::int64_t step) const {
    if (step < warmup) return {lr * warm_up(step, warmup), {}};
    const double past = static_cast<double>(step - warmup);
    const double steps = static_cast<double>(std::max<std::int64_t>(1, total_steps - 1 - warmup));
    return {half_cosine(lr, floor, std::min(1.0, past / steps)), {}};
}

}    // namespace lull
