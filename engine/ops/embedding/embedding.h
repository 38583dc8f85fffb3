// Table look-up.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Row index[i] of table for each i. table: (K, D), index: (…) of i32 or i64 in [0, K) → (…, D).
Tensor embedding(const Tensor& table, const Tensor& index);

}    // namespace lull
