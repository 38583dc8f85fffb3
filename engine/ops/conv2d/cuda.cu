#include "engine/ops/conv2d/kernels.h"

namespace lull::cuda {

void conv2d_forward(const Tensor&, const Tensor&, const Tensor&, const Conv2dOptions&, Tensor) {
    fail("conv2d_forward", "not on CUDA yet");
}
void conv2d_backward_data(const Tensor&, const Tensor&, const Conv2dOptions&, Into) {
    fail("conv2d_backward_data", "not on CUDA yet");
}
void conv2d_backward_weights(const Tensor&, const Tensor&, const Tensor&, const Conv2dOptions&, Into, Into) {
    fail("conv2d_backward_weights", "not on CUDA yet");
}

}    // namespace lull::cuda
