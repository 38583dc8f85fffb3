// Fully connected layer.
#pragma once

#include "engine/tensor.h"

namespace lull {

// y = x Wᵀ + b over the last axis. x: (…, in), weight: (out, in), bias: (out) or undefined → (…, out).
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}    // namespace lull
