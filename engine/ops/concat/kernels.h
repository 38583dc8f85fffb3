#pragma once

#include <span>

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// y ← the parts, contiguous all, end to end along the axis.
LULL_KERNEL(concat_forward, (std::span<const Tensor> parts, int axis, Tensor& y));
// dx ← dy[…, begin : begin + extent of dx, …]
LULL_KERNEL(concat_backward, (const Tensor& dy, int axis, std::int64_t begin, Into dx));

}    // namespace lull
