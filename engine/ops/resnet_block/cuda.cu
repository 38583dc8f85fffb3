#include "engine/ops/resnet_block/kernels.h"

namespace lull::cuda {

void resnet_block_forward(const Tensor&, const Tensor&, const Tensor&, const ResnetBlockWeights&, const ResnetBlockOptions&,
                          Tensor, Tensor, Tensor, Tensor) {
    fail("resnet_block_forward", "not on CUDA yet");
}
void resnet_block_backward(const Tensor&, const Tensor&, const Tensor&, const ResnetBlockWeights&, const ResnetBlockOptions&,
                           const Tensor&, const Tensor&, const Tensor&, const Tensor&, const ResnetBlockGradients&) {
    fail("resnet_block_backward", "not on CUDA yet");
}

}    // namespace lull::cuda
