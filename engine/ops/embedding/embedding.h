// Table look-up.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Row index[i] of table for each i. table: (K, D), index: (…) of i32 or i64 in [0, K) → (…, D). Throws Error for an index
// outside; on CUDA, where looking would mean waiting, such a row is NaN.
Tensor embedding(const Tensor& table, const Tensor& index);

}    // namespace lull
