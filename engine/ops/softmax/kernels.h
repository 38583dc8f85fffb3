#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

LULL_KERNEL(softmax_forward, (const Tensor& x, Tensor y));
LULL_KERNEL(softmax_backward, (const Tensor& y, const Tensor& dy, Into dx));

}    // namespace lull
