#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// lse[n] ← ln Σ_k e^{logits[n, k]}, loss ← Σ_n (lse[n] - logits[n, labels[n]]) / N. logits: (N, K), labels: (N) of i64, lse:
// (N), loss: a scalar. Throws Error for a label outside [0, K).
LULL_KERNEL(cross_entropy_forward, (const Tensor& logits, const Tensor& labels, Tensor lse, Tensor loss));
// dlogits ← dloss (softmax(logits) - onehot(labels)) / N
LULL_KERNEL(cross_entropy_backward,
            (const Tensor& logits, const Tensor& labels, const Tensor& lse, const Tensor& dloss, Into dlogits));

}    // namespace lull
