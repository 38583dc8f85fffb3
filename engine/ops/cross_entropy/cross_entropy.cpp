#include "engine/ops/cross_entropy/cross_entropy.h"

#include "engine/ops/bf16.h"
#include "engine/ops/cross_entropy/kernels.h"

namespace lull {

namespace {

// loss = mean_n (ln Σ_k e^{x_nk} - x_n,label)   ⇒   dx_nk = (softmax(x_n)_k - [k = label]) / N
struct CrossEntropyBackward {
    Tensor logits, labels;
    Tensor sums;    // (N), the softmax's denominators Σ_k e^{x_nk - max x_n}

    void backward(const Tensor& dloss, Gradients& grad) {
        dispatch(dloss, cpu::cross_entropy_backward, cuda::cross_entropy_backward)(logits, labels, sums, dloss, grad.into(0));
    }
};

}    // namespace

Tensor cross_entropy(const Tensor& logits_any, const Tensor& labels_any) {
    check(logits_any.rank() == 2 && logits_any.is_floating() && logits_any.elements() > 0, "cross_entropy",
          "expected floating logits (N, K) with elements, got ", logits_any);
    check(labels_any.defined() && labels_any.shape() == Shape{logits_any.size(0)} &&
              (labels_any.dtype() == DType::i32 || labels_any.dtype() == DType::i64),
          "cross_entropy", "expected labels (", logits_any.size(0), ",) of i32 or i64, got ", labels_any);
    const Tensor logits = (widens(logits_any) ? wide(logits_any) : logits_any).contiguous(),
                 labels = labels_any.to(DType::i64).contiguous();
    const DType compute = compute_dtype(logits);
    const Tensor sums = empty({logits.size(0)}, compute, logits.device()), loss = empty({}, compute, logits.device());
    dispatch(logits, cpu::cross_entropy_forward, cuda::cross_entropy_forward)(logits, labels, sums, loss);
    return recording(logits) ? record<CrossEntropyBackward>(loss, {logits}, logits, labels, sums) : loss;
}

}    // namespace lull
