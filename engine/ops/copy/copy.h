// Copies and sums between tensors of equal shape and any strides: what views and autograd are made with.
#pragma once

#include "engine/tensor.h"

namespace lull {

// to ← from, converted between types. Not differentiable. Throws Error unless the shapes are equal.
void copy(const Tensor& from, const Tensor& to);

// to ← to + from, floating, both of one type. Not differentiable.
void accumulate(const Tensor& from, const Tensor& to);

}    // namespace lull
