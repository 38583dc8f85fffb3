#include "engine/ops/upsample/kernels.h"

namespace lull::cuda {

void upsample_forward(const Tensor&, int, Tensor&) { fail("upsample_forward", "not on CUDA yet"); }
void upsample_backward(const Tensor&, int, Into) { fail("upsample_backward", "not on CUDA yet"); }

}    // namespace lull::cuda
