// The decay of the exponential moving average of the weights.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lull {

// ema ← d·ema + (1 - d)·weights after each step, d rising with the step's number (0, 1, …) so that early weights are soon
// forgotten.
struct EmaDecay {
    double decay = 0.999;

    double operator()(std::int64_t step) const {
        const double warmup = (1 + static_cast<double>(step)) / (10 + static_cast<double>(step));
        return std::min(decay, warmup);
    }
};

}    // namespace lull
