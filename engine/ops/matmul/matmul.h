// Matrix product.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Which operand is read transposed: (…, k, m) for a, (…, n, k) for b.
struct MatmulOptions {
    bool transpose_a = false, transpose_b = false;
};

// a: (…, m, k), b: (…, k, n) → (…, m, n). Leading axes are equal; one floating type.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}    // namespace lull
