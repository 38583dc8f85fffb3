#include "engine/ops/cross_entropy/kernels.h"

namespace lull::cuda {

void cross_entropy_forward(const Tensor&, const Tensor&, Tensor, Tensor) { fail("cross_entropy_forward", "not on CUDA yet"); }
void cross_entropy_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, Into) {
    fail("cross_entropy_backward", "not on CUDA yet");
}

}    // namespace lull::cuda
