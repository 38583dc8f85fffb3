// Multi-head scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762).
#pragma once

#include "engine/tensor.h"

namespace lull {

// softmax(q kᵀ / √d) v per head, the scores never stored. q: (N, T, C), k, v: (N, S, C); head h owns channels
// [h·d, (h+1)·d), d = C / heads → (N, T, C). One floating type. Throws Error unless heads divides C and shapes and types agree.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int heads);

}    // namespace lull
