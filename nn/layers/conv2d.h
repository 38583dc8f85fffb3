// Convolution as a layer.
#pragma once

#include "engine/ops/conv2d/conv2d.h"
#include "nn/module.h"

namespace lull {

// Square kernel. x: (N, H, W, in) → (N, H', W', out). Weights are zero until initialised (nn/init.h).
struct Conv2d {
    Tensor weight;    // (out, kernel, kernel, in)
    Tensor bias;      // (out), or undefined
    Conv2dOptions options;

    Conv2d() = default;
    Conv2d(int in, int out, int kernel, const Conv2dOptions& conv_options = {}, bool with_bias = true)
        : weight(zeros({out, kernel, kernel, in})), bias(with_bias ? zeros({out}) : Tensor()), options(conv_options) {}

    Tensor operator()(const Tensor& x) const { return conv2d(x, weight, bias, options); }

    template <class V>
    void visit(V& v) {
        v("weight", weight);
        v("bias", bias);
    }
};

}    // namespace lull
