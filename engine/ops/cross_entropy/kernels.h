#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// sums[n] ← Σ_k e^{logits[n, k] - top[n]}, loss ← Σ_n (ln sums[n] + top[n] - logits[n, labels[n]]) / N with top[n] the row's
// largest: apart from it, the sums keep their digits however large the logits are. logits: (N, K), labels: (N) of i64, sums:
// (N), loss: a scalar, both f32 where logits are bf16. A label outside [0, K) is an Error, on CUDA at the next synchronize.
LULL_KERNEL(cross_entropy_forward, (const Tensor& logits, const Tensor& labels, Tensor sums, Tensor loss));
// dlogits ← dloss (softmax(logits) - onehot(labels)) / N
LULL_KERNEL(cross_entropy_backward,
            (const Tensor& logits, const Tensor& labels, const Tensor& sums, const Tensor& dloss, Into dlogits));

}    // namespace lull
