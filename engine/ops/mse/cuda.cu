#include "engine/ops/mse/kernels.h"

namespace lull::cuda {

void mse_forward(const Tensor&, const Tensor&, const Tensor&, Tensor&) { fail("mse_forward", "not on CUDA yet"); }
void mse_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, Into) { fail("mse_backward", "not on CUDA yet"); }

}    // namespace lull::cuda
