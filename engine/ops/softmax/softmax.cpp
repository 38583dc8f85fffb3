#include "engine/ops/softmax/softmax.h"

#include "engine/ops/bf16.h"
#include "engine/ops/softmax/kernels.h"

namespace lull {

namespace {

struct SoftmaxBackward {
    Tensor y;    // all that backward needs

    // y_i = e^{x_i} / Σ e^{x_j}   ⇒   dx_i = y_i (dy_i - Σ_j dy_j y_j)
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::softmax_backward, cuda::softmax_backward)(y, dy, grad.into(0));
    }
};

}    // namespace

Tensor softmax(const Tensor& x_any) {
    check(x_any.rank() >= 1 && x_any.is_floating(), "softmax", "expected a floating tensor with at least one axis, got ", x_any);
    if (is_bf16(x_any)) return rounded(softmax(wide(x_any)));
    const Tensor x = x_any.contiguous();
    const Tensor y = empty_like(x);
    dispatch(x, cpu::softmax_forward, cuda::softmax_forward)(x, y);
    return recording(x) ? record<SoftmaxBackward>(y, {x}, y) : y;
}

}    // namespace lull
