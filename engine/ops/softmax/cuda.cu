#include "engine/ops/softmax/kernels.h"

namespace lull::cuda {

void softmax_forward(const Tensor&, Tensor) { fail("softmax_forward", "not on CUDA yet"); }
void softmax_backward(const Tensor&, const Tensor&, Into) { fail("softmax_backward", "not on CUDA yet"); }

}    // namespace lull::cuda
