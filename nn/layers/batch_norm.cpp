#include "nn/layers/batch_norm.h"

#include "engine/ops/copy/copy.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {

namespace {

// The running statistics are one memory for all copies of the layer; nothing that was recorded has kept them.
void take_up(const Buffer& running, const Tensor& batch, double momentum) {
    const Tensor& state = running.tensor;
    copy((1 - momentum) * state + momentum * batch.to(state.dtype()), state);
}

}    // namespace

Tensor BatchNorm::train(const Tensor& x) const {
    const auto [y, mean, variance] = batch_norm_train(x, weight, bias, eps);
    if (x.elements() == 0) return y;
    const auto count = static_cast<double>(x.elements() / x.size(-1));
    take_up(running_mean, mean, momentum);
    take_up(running_var, variance * (count / (count - 1)), momentum);
    return y;
}

}    // namespace lull
