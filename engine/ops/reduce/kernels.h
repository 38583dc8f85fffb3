#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

enum class Reduction { sum, max, min };

// x: (outer, n, inner) → y: (outer, 1, inner), the reduction over n times `scale`.
LULL_KERNEL(reduce_forward, (Reduction kind, double scale, const Tensor& x, Tensor& y));

// The elements of x that equal their extreme y share its gradient. x, dx: (outer, n, inner), y, dy: (outer, 1, inner).
LULL_KERNEL(extreme_backward, (const Tensor& x, const Tensor& y, const Tensor& dy, Into dx));

}    // namespace lull
