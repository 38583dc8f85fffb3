// Batch normalisation as a layer.
#pragma once

#include "engine/ops/batch_norm/batch_norm.h"
#include "nn/module.h"

namespace lull {

// x: (N, …, C) → the same shape. Which statistics it normalises with is said at every call, as torch.nn.BatchNorm2d's mode is:
// calling it is evaluation, train() is training. Starts as weight 1, bias 0, running mean 0 and variance 1.
struct BatchNorm {
    Tensor weight, bias;                 // (C)
    Buffer running_mean, running_var;    // (C)
    double eps = 1e-5, momentum = 0.1;

    BatchNorm() = default;
    explicit BatchNorm(int channels)
        : weight(ones({channels})), bias(zeros({channels})), running_mean{zeros({channels})}, running_var{ones({channels})} {}

    Tensor operator()(const Tensor& x) const {
        return batch_norm_eval(x, weight, bias, running_mean.tensor, running_var.tensor, eps);
    }

    // With the batch's own statistics, which the running ones take up: running ← (1 - momentum) running + momentum batch's, the
    // variance unbiased. Throws Error when a channel has one element only. An empty batch moves nothing.
    Tensor train(const Tensor& x) const;

    template <class V>
    void visit(V& v) {
        v("weight", weight);
        v("bias", bias);
        v("running_mean", running_mean);
        v("running_var", running_var);
    }
};

}    // namespace lull
