#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// y[i] ← table[index[i]]. table: (K, D), index: (M) of i64, y: (M, D). An index outside [0, K) is
// an Error, on CUDA at the next synchronize; there y[i] is NaN.
LULL_KERNEL(embedding_forward, (const Tensor& table, const Tensor& index, Tensor& y));
// dtable[k] ← Σ dy[i] over the i with index[i] = k, in their order. dy: (M, D).
LULL_KERNEL(embedding_backward, (const Tensor& index, const Tensor& dy, Into dtable));

}    // namespace lull
