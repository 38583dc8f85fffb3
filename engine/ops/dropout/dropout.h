// Dropout.
#pragma once

#include <span>

#include "engine/random.h"
#include "engine/tensor.h"

namespace lull {

// Zeroes each element with probability p and divides the others by 1 - p. Image n's mask comes from streams[n]:
// it is recomputed in backward, not stored. x: (N, …).
Tensor dropout(const Tensor& x, double p, std::span<const RandomStream> streams);

}    // namespace lull
