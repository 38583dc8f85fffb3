// Table look-up.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Row index[i] of table for each i. table: (K, D), index: (…) of i32 or i64 in [0, K) → (…, D). Throws Error for an index
// outside, naming the first; on CUDA such a row is NaN, and the Error comes when a value is next read from the device.
Tensor embedding(const Tensor& table, const Tensor& index);

}    // namespace lull
