// Learning-rate schedules: small values, called with the step's number (0, 1, …).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace lull {

// What a schedule says about one step.
struct Rate {
    double learning_rate = 0;
    std::optional<double> beta1;    // empty: the optimizer's own
};

using LrSchedule = std::function<Rate(std::int64_t step)>;

// PyTorch's OneCycleLR with its defaults (Smith & Topin 2017, arXiv 1708.07120): half a cosine from max_lr / div_factor up
// to max_lr in the first 30% of the steps, half a cosine down to max_lr / (div_factor · final_div_factor) in the others,
// while β₁ goes .95 → .85 → .95. Steps past the last repeat it.
struct OneCycle {
    double max_lr;
    std::int64_t total_steps;    // at least 2
    double pct_start = 0.3, div_factor = 25, final_div_factor = 1e4;
    double base_beta1 = 0.85, max_beta1 = 0.95;
    Rate operator()(std::int64_t step) const;
};

// lr after a linear warm-up: lr·(step + 1)/(warmup + 1) in the first `warmup` steps.
struct Constant {
    double lr;
    std::int64_t warmup = 0;
    Rate operator()(std::int64_t step) const;
};

// The same warm-up, then half a cosine from lr down to `floor` at the last step (Loshchilov & Hutter 2016, arXiv 1608.03983).
struct Cosine {
    double lr;
    std::int64_t total_steps;
    std::int64_t warmup = 0;
    double floor = 0;
    Rate operator()(std::int64_t step) const;
};

}    // namespace lull
