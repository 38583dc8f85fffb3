#include "engine/ops/concat/kernels.h"

namespace lull::cuda {

void concat_forward(std::span<const Tensor>, int, Tensor&) { fail("concat_forward", "not on CUDA yet"); }
void concat_backward(const Tensor&, int, std::int64_t, Into) { fail("concat_backward", "not on CUDA yet"); }

}    // namespace lull::cuda
