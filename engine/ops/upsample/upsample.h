// Upsampling.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Every pixel repeated factor × factor times. x: (N, H, W, C) → (N, factor·H, factor·W, C).
Tensor upsample_nearest(const Tensor& x, int factor = 2);

}    // namespace lull
