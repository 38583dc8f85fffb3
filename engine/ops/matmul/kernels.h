#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/matmul/matmul.h"

namespace lull {

// c = op(a) op(b), or added to it. Backward is more of the same.
LULL_KERNEL(matmul_into, (const Tensor& a, const Tensor& b, const MatmulOptions& options, Into c));

}    // namespace lull
