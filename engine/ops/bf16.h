// How operations treat bf16: it is a type for storage. They compute in f32 and round what they give, forward and backward;
// only linear layers multiply bf16 by bf16, where processors do that at twice the speed, and add in f32.
#pragma once

#include "engine/tensor.h"

namespace lull {

inline bool is_bf16(const Tensor& x) { return x.defined() && x.dtype() == DType::bf16; }

// Whether an operation has to widen x itself: the CPU's kernels know f32 and f64, CUDA's read and write bf16.
inline bool widens(const Tensor& x) { return is_bf16(x) && x.device() == Device::cpu; }

// The type of statistics and other values that an operation computes from x: x's, but f32 where that is bf16.
inline DType compute_dtype(const Tensor& x) { return is_bf16(x) ? DType::f32 : x.dtype(); }

// A bf16 tensor in f32, differentiable; any other, and an undefined one, as it is. While nothing is recorded, what is made of
// a weight is kept with it.
inline Tensor wide(const Tensor& x) { return is_bf16(x) ? x.to(DType::f32) : x; }
Tensor wide_weight(const Tensor& weight);

// To the nearest bf16, differentiable.
inline Tensor rounded(const Tensor& y) { return y.to(DType::bf16); }

}    // namespace lull
