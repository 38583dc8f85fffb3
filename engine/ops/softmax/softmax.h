// Softmax.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Softmax over the last axis. x: (..., n), floating. Same shape; every row sums to 1.
// Throws Error when x has no axis or is not floating.
Tensor softmax(const Tensor& x);

}    // namespace lull
