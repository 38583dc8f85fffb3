#include "apps/lull/step_budget.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "apps/lull/run_settings.h"

namespace lull {

namespace {

// 28 ms, 1.3 s.
std::string duration(double seconds) {
    std::ostringstream text;
    text.precision(2);
    if (seconds < 1)
        text << std::lround(1000 * seconds) << " ms";
    else
        text << seconds << " s";
    return text.str();
}

std::string counted(std::int64_t count, const char* what, double seconds_each) {
    return std::to_string(count) + ' ' + what + (count == 1 ? " of " : "s of ") + duration(seconds_each);
}

}    // namespace

std::int64_t StepBudget::grids(std::int64_t steps) const {
    if (per_grid == 0) return 0;
    const std::int64_t every = sample_every > 0 ? sample_every : round_interval(steps);
    return (steps + every - 1) / every;
}

std::int64_t StepBudget::steps() const {
    // Down from what would fit without grids, until it does with them.
    auto most = static_cast<std::int64_t>(std::clamp(seconds / per_step, 1.0, 1e12));
    while (most > 1 && double(most) * per_step + double(grids(most)) * per_grid > seconds) {
        const double room = seconds - double(grids(most)) * per_grid;
        most = std::clamp(static_cast<std::int64_t>(room / per_step), std::int64_t{1}, most - 1);
    }
    return most;
}

std::string StepBudget::in_words(double minutes) const {
    const std::int64_t count = steps(), pictures = grids(count);
    std::ostringstream text;
    text << counted(count, "step", per_step);
    if (pictures > 0) text << " and " << counted(pictures, "grid", per_grid);
    const bool fits = double(count) * per_step + double(pictures) * per_grid <= seconds;
    text << (fits ? " fit into " : ", the least there is, take more than ") << minutes << (minutes == 1 ? " minute" : " minutes");
    return text.str();
}

}    // namespace lull
