#include "engine/ops/group_norm/kernels.h"

namespace lull::cuda {

void group_norm_forward(const Tensor&, const Tensor&, const Tensor&, const GroupNormOptions&, Tensor, Tensor) {
    fail("group_norm_forward", "not on CUDA yet");
}
void group_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const GroupNormOptions&, const Tensor&, Into,
                         Into, Into) {
    fail("group_norm_backward", "not on CUDA yet");
}

}    // namespace lull::cuda
