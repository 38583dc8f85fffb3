// The picture of a run's loss.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "apps/lull/sigma_loss.h"
#include "engine/tensor.h"

namespace lull {

// How many losses the smoothed loss after `steps` steps is the mean of: the last quarter, at most 100. A fixed number would
// lag behind the steep beginning.
inline std::size_t smoothing_window(std::size_t steps) { return std::clamp<std::size_t>(steps / 4, 1, 100); }

// For each step, the mean of the smoothing window's losses up to it.
std::vector<double> smoothed(std::span<const double> losses);

// losses[i] is that of step i + 1; all finite. Upper panel, loss against step: every step faint, smoothed strong. Lower panel,
// loss against σ: the records of the last quarter of the steps strong, those of the second quarter faint (a young run has no
// such), and behind them the density that noise levels are drawn from; without records there is no such panel. All axes but
// the steps' are logarithmic. u8 (H, W, 3).
Tensor plot_loss(std::span<const double> losses, const SigmaBuckets& buckets = {}, std::span<const SigmaRecord> by_sigma = {});

}    // namespace lull
