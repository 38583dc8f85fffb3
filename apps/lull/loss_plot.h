// The picture of a run's loss.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/tensor.h"

namespace lull {

// How many losses the smoothed loss after `steps` steps is the mean of: the last quarter, at most 100. A fixed number would
// lag behind the steep beginning.
inline std::size_t smoothing_window(std::size_t steps) { return std::clamp<std::size_t>(steps / 4, 1, 100); }

// For each step, the mean of the smoothing window's losses up to it.
std::vector<double> smoothed(std::span<const double> losses);

// losses[i] is that of step i + 1; all finite. Faint: every step; strong: smoothed. The loss axis is logarithmic.
// u8 (H, W, 3).
Tensor plot_loss(std::span<const double> losses);

}    // namespace lull
