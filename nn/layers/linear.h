// Fully connected layer.
#pragma once

#include "engine/ops/linear/linear.h"
#include "nn/module.h"

namespace lull {

// x: (…, in) → (…, out). Weights are zero until initialised (nn/init.h).
struct Linear {
    Tensor weight;    // (out, in)
    Tensor bias;      // (out), or undefined

    Linear() = default;
    Linear(int in, int out, bool with_bias = true) : weight(zeros({out, in})), bias(with_bias ? zeros({out}) : Tensor()) {}

    Tensor operator()(const Tensor& x) const { return linear(x, weight, bias); }

    template <class V>
    void visit(V& v) {
        v("weight", weight);
        v("bias", bias);
    }
};

}    // namespace lull
