#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/ops/group_norm/group_norm.h"

namespace lull {

// x, y, dy: (N, …, C), weight, bias: (C), all contiguous; statistics: (N, groups, 2), mean and 1/√(variance + eps),
// f32 where x is bf16.
LULL_KERNEL(group_norm_forward, (const Tensor& x, const Tensor& weight, const Tensor& bias, const GroupNormOptions& options,
                                 Tensor y, Tensor statistics));
// Any of the three gradients may be undefined: not wanted.
LULL_KERNEL(group_norm_backward, (const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& statistics,
                                  const GroupNormOptions& options, const Tensor& dy, Into dx, Into dweight, Into dbias));

}    // namespace lull
