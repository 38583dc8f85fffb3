// Cross-entropy of a softmax.
#pragma once

#include "engine/tensor.h"

namespace lull {

// The mean over the batch of -ln softmax(logits)[label]: a scalar. logits: (N, K) floating, labels: (N) of i32 or i64 in
// [0, K). The softmax is never stored, and no exponential overflows. f32 where logits are bf16: a loss is not rounded.
// Throws Error when a label is out of range, naming the first; on CUDA the loss is NaN, and the Error comes when a value is next
// read from the device.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);

}    // namespace lull
