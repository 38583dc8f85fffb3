#pragma once

#include <span>

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/random.h"

namespace lull {

// y ← x / (1 - p) where image n's stream says keep, else 0. x, y: (N, …). Backward is the same with dy for x.
LULL_KERNEL(dropout_forward, (const Tensor& x, double p, std::span<const RandomStream> streams, Into y));

}    // namespace lull
