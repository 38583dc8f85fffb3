// Copies and sums between tensors of equal shape and any strides: what views, devices and autograd are made with.
#pragma once

#include "engine/tensor.h"

namespace lull {

// to ← from, converted between types and brought from one device to another. Not differentiable. Throws Error unless the
// shapes are equal.
void copy(const Tensor& from, const Tensor& to);

// to ← to + from, floating, both of one type. Not differentiable.
void accumulate(const Tensor& from, const Tensor& to);

// Every element ← value, converted. to: contiguous. Not differentiable.
void fill(const Tensor& to, double value);

}    // namespace lull
