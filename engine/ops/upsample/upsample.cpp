#include "engine/ops/upsample/upsample.h"

#include "engine/ops/bf16.h"
#include "engine/ops/upsample/kernels.h"

namespace lull {

namespace {

struct UpsampleBackward {
    int factor;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::upsample_backward, cuda::upsample_backward)(dy, factor, grad.into(0));
    }
};

}    // namespace

Tensor upsample_nearest(const Tensor& input, int factor) {
    check(input.rank() == 4, "upsample_nearest", "expected x (N, H, W, C), got ", input);
    check(factor >= 1, "upsample_nearest", "expected a factor of at least 1, got ", factor);
    if (widens(input)) return rounded(upsample_nearest(wide(input), factor));
    const Tensor x = input.contiguous();
    Tensor y = empty_beside(x, {x.size(0), factor * x.size(1), factor * x.size(2), x.size(3)});
    dispatch(x, cpu::upsample_forward, cuda::upsample_forward)(x, factor, y);
    return recording(x) ? record<UpsampleBackward>(y, {x}, factor) : y;
}

}    // namespace lull
