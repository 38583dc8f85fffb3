// How many training steps a time has room for.
#pragma once

#include <cstdint>
#include <string>

namespace lull {

struct StepBudget {
    double seconds;                   // that there are
    double per_step, per_grid;        // seconds that a step and a grid of samples take; 0: no grids
    std::int64_t sample_every = 0;    // steps between grids; 0: as round_interval has it for the number of steps

    // Steps that fit, hardly fewer than there could be, at least 1. There is a grid after every sample_every steps and after the
    // last.
    std::int64_t steps() const;
    std::int64_t grids(std::int64_t steps) const;

    // "1300 steps of 28 ms and 7 grids of 0.9 s fit into 10 minutes", or that not even one does.
    std::string in_words(double minutes) const;
};

}    // namespace lull
