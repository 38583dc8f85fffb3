#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/pool/pool.h"

namespace lull {

// x, dx: (N, H, W, C), y, dy: (N, H', W', C), contiguous; options.stride is resolved.
LULL_KERNEL(avg_pool_forward, (const Tensor& x, const PoolOptions& options, Tensor y));
LULL_KERNEL(avg_pool_backward, (const Tensor& dy, const PoolOptions& options, Into dx));
LULL_KERNEL(max_pool_forward, (const Tensor& x, const PoolOptions& options, Tensor y));
// x says again which element of each window was the largest.
LULL_KERNEL(max_pool_backward, (const Tensor& x, const Tensor& y, const Tensor& dy, const PoolOptions& options, Into dx));

}    // namespace lull
