// Sums over the rows of a matrix: the gradient of a bias.
#pragma once

#include "engine/autograd.h"

namespace lull::cuda {

// sum (+)= Σ_rows x. x: (rows…, n), contiguous, sum: (n); each f32 or bf16. Added in f32, in an order that the shape fixes.
void column_sum(const Tensor& x, Into sum);

}    // namespace lull::cuda
