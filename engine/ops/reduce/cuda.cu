#include "engine/ops/reduce/kernels.h"

namespace lull::cuda {

void reduce_forward(Reduction, double, const Tensor&, Tensor&) { fail("reduce_forward", "not on CUDA yet"); }
void extreme_backward(const Tensor&, const Tensor&, const Tensor&, Into) { fail("extreme_backward", "not on CUDA yet"); }

}    // namespace lull::cuda
