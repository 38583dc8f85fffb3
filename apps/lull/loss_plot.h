// The picture of a run's loss.
#pragma once

#include <span>

#include "engine/tensor.h"

namespace lull {

// The mean of each value and up to window - 1 before it.
std::vector<double> trailing_mean(std::span<const double> values, std::size_t window);

// losses[i] is that of step i + 1; all finite. Faint: every step; strong: the trailing mean over `window` steps. The loss
// axis is logarithmic. u8 (H, W, 3).
Tensor plot_loss(std::span<const double> losses, std::size_t window);

}    // namespace lull
