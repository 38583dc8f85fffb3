#include "engine/ops/batch_norm/kernels.h"

namespace lull::cuda {

void batch_norm_statistics(const Tensor&, Tensor, Tensor) { fail("batch_norm_statistics", "not on CUDA yet"); }
void batch_norm_forward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double, Tensor) {
    fail("batch_norm_forward", "not on CUDA yet");
}
void batch_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double, bool, const Tensor&, Into, Into,
                         Into) {
    fail("batch_norm_backward", "not on CUDA yet");
}

}    // namespace lull::cuda
