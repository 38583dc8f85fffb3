#pragma once

#include "engine/autograd.h"
#include "engine/dispatch.h"

namespace lull {

// lse: (N, heads, T), the logarithm of every softmax's denominator; undefined when nothing is recorded.
LULL_KERNEL(attention_forward, (const Tensor& q, const Tensor& k, const Tensor& v, int heads, Tensor out, Tensor lse));
// A gradient that is not wanted has an undefined tensor. Those that lie in one place are written in the order dq, dk, dv.
LULL_KERNEL(attention_backward, (const Tensor& q, const Tensor& k, const Tensor& v, int heads, const Tensor& out,
                                 const Tensor& lse, const Tensor& dout, Into dq, Into dk, Into dv));

}    // namespace lull
