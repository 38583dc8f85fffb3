// Group normalisation as a layer.
#pragma once

#include "engine/ops/group_norm/group_norm.h"
#include "nn/module.h"

namespace lull {

// x: (N, …, C) → the same shape. Starts as the plain normalisation: weight 1, bias 0.
struct GroupNorm {
    Tensor weight, bias;    // (C)
    GroupNormOptions options;

    GroupNorm() = default;
    GroupNorm(int channels, const GroupNormOptions& norm_options)
        : weight(ones({channels})), bias(zeros({channels})), options(norm_options) {}

    Tensor operator()(const Tensor& x) const { return group_norm(x, weight, bias, options); }

    template <class V>
    void visit(V& v) {
        v("weight", weight);
        v("bias", bias);
    }
};

}    // namespace lull
