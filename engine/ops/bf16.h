// How operations treat bf16: it is a type for storage. They compute in f32 and round what they give, forward and backward;
// only linear layers multiply bf16 by bf16, where processors do that at twice the speed, and add in f32.
#pragma once

#include "engine/tensor.h"

namespace lull {

inline bool is_bf16(const Tensor& x) { return x.defined() && x.dtype() == DType::bf16; }

// A bf16 tensor in f32, differentiable; any other, and an undefined one, as it is. While nothing is recorded, what is made of
// a weight is kept with it.
inline Tensor wide(const Tensor& x) { return is_bf16(x) ? x.to(DType::f32) : x; }
Tensor wide_weight(const Tensor& weight);

// To the nearest bf16, differentiable.
inline Tensor rounded(const Tensor& y) { return y.to(DType::bf16); }

}    // namespace lull
