// Arithmetic and activations, element by element, with broadcasting.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Two operands have the same rank, and each axis the same extent or 1; or one of them is a scalar of rank 0. A per-image
// value therefore has shape (N, 1, 1, 1): a vector (N) against (N, H, W, C) is an Error, never a silent match with C.
// Both have the same floating type.
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);

// a·x + b with numbers a, b: the one operation behind the mixed operators below.
Tensor affine(const Tensor& x, double a, double b);
inline Tensor operator+(const Tensor& x, double b) { return affine(x, 1, b); }
inline Tensor operator+(double b, const Tensor& x) { return affine(x, 1, b); }
inline Tensor operator-(const Tensor& x, double b) { return affine(x, 1, -b); }
inline Tensor operator-(double b, const Tensor& x) { return affine(x, -1, b); }
inline Tensor operator*(const Tensor& x, double a) { return affine(x, a, 0); }
inline Tensor operator*(double a, const Tensor& x) { return affine(x, a, 0); }
inline Tensor operator/(const Tensor& x, double a) { return affine(x, 1 / a, 0); }
inline Tensor operator-(const Tensor& x) { return affine(x, -1, 0); }
Tensor reciprocal(const Tensor& x);
inline Tensor operator/(double a, const Tensor& x) { return a * reciprocal(x); }

// The square; sq(double) beside it lets one formula serve numbers and tensors.
inline double sq(double x) { return x * x; }
Tensor sq(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);

Tensor sigmoid(const Tensor& x);    // 1 / (1 + e^-x)
Tensor silu(const Tensor& x);       // x · sigmoid(x)
Tensor tanh(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor gelu(const Tensor& x);                                                 // tanh form
Tensor leaky_relu(const Tensor& x, double slope = 0.01, double shift = 0);    // x - shift above 0, slope·x - shift below
Tensor clamp(const Tensor& x, double low, double high);                       // gradient 1 inside and at the bounds, 0 outside

}    // namespace lull
