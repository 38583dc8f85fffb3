#include "engine/ops/pool/kernels.h"

namespace lull::cuda {

void avg_pool_forward(const Tensor&, const PoolOptions&, Tensor) { fail("avg_pool_forward", "not on CUDA yet"); }
void avg_pool_backward(const Tensor&, const PoolOptions&, Into) { fail("avg_pool_backward", "not on CUDA yet"); }
void max_pool_forward(const Tensor&, const PoolOptions&, Tensor) { fail("max_pool_forward", "not on CUDA yet"); }
void max_pool_backward(const Tensor&, const Tensor&, const Tensor&, const PoolOptions&, Into) {
    fail("max_pool_backward", "not on CUDA yet");
}

}    // namespace lull::cuda
