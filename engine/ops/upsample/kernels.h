#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// y[n, h, w] ← x[n, h / factor, w / factor]. x: (N, H, W, C), y: (N, factor·H, factor·W, C).
LULL_KERNEL(upsample_forward, (const Tensor& x, int factor, Tensor& y));
// dx ← the sum over each pixel's factor² copies.
LULL_KERNEL(upsample_backward, (const Tensor& dy, int factor, Into dx));

}    // namespace lull
