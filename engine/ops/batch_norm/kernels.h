#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// x, y, dy: (N, …, C); weight, bias, mean, variance: (C); all contiguous and of one type, but mean and variance f32 where the
// others are bf16.
LULL_KERNEL(batch_norm_statistics, (const Tensor& x, Tensor mean, Tensor variance));
LULL_KERNEL(batch_norm_forward, (const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                 const Tensor& variance, double eps, Tensor y));
// of_batch: mean and variance are x's own, and dx counts that they move with x. Any of the three gradients may be undefined:
// not wanted.
LULL_KERNEL(batch_norm_backward, (const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& variance, double eps,
                                  bool of_batch, const Tensor& dy, Into dx, Into dweight, Into dbias));

}    // namespace lull
