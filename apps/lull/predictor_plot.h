// The picture of a noise-level predictor: what it says against what is true.
#pragma once

#include "apps/lull/predictor.h"
#include "diffusion/noise_level.h"
#include "engine/tensor.h"

namespace lull {

// A point per image, σ̂ above σ, both logarithmic, with the line on which it would be right. u8 (H, W, 3).
Tensor plot_levels(const NoiseLevelTask& task, const LevelAnswers& answers);

}    // namespace lull
