#include "engine/ops/mse/mse.h"

#include "engine/ops/bf16.h"
#include "engine/ops/mse/kernels.h"

namespace lull {

namespace {

struct MseBackward {
    Tensor prediction, target, weight;
    void backward(const Tensor& dloss, Gradients& grad) {
        dispatch(dloss, cpu::mse_backward, cuda::mse_backward)(prediction, target, weight, dloss, grad.into(0));
    }
};

}    // namespace

Tensor mse(const Tensor& prediction, const Tensor& target, const Tensor& weight) {
    check(prediction.rank() >= 1 && prediction.elements() > 0, "mse", "expected a prediction (N, …) with elements, got ",
          prediction);
    check(prediction.shape() == target.shape() && prediction.dtype() == target.dtype(), "mse",
          "expected a target like the prediction, got ", prediction, " and ", target);
    if (weight.defined()) {
        Shape per_image = prediction.shape();
        for (int axis = 1; axis < per_image.rank(); ++axis) per_image[axis] = 1;
        check(weight.shape() == per_image && weight.dtype() == prediction.dtype(), "mse", "expected a weight ",
              prediction.dtype(), ' ', per_image, ", got ", weight);
    }
    if (widens(prediction)) return mse(wide(prediction), wide(target), wide(weight));
    const Tensor p = prediction.contiguous(), t = target.detach().contiguous();
    const Tensor w = weight.defined() ? weight.detach().contiguous() : weight;
    Tensor loss = empty({}, compute_dtype(p), p.device());
    dispatch(p, cpu::mse_forward, cuda::mse_forward)(p, t, w, loss);
    return recording(p) ? record<MseBackward>(loss, {p}, p, t, w) : loss;
}

}    // namespace lull
