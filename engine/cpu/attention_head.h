// Scaled dot-product attention of one head on one image: what the attention operation and the attention block share.
#pragma once

#include <cstdint>

#include "engine/cpu/scratch.h"

namespace lull::cpu {

// Where a head's rows lie: row i of q, out and their gradients begins at i·stride, of k and v as well. f32 or f64.
struct HeadShape {
    std::int64_t queries, keys;    // rows of q, and of k and v
    std::int64_t dim;              // d, elements of a row
    std::int64_t stride;
};

// out = softmax(q kᵀ / √d) v and, unless null, lse[i] = log Σ_j e^{q_i·k_j / √d}: all that backward needs besides q, k,
// v and out. lse: (queries), contiguous.
template <class T>
void attention_head_forward(const HeadShape& shape, const T* q, const T* k, const T* v, T* out, T* lse, Scratch& scratch);

// A gradient's place: written, or added to; null where it is not wanted.
template <class T>
struct HeadGradient {
    T* data;
    bool add;
};

template <class T>
void attention_head_backward(const HeadShape& shape, const T* q, const T* k, const T* v, const T* out, const T* lse,
                             const T* dout, HeadGradient<T> dq, HeadGradient<T> dk, HeadGradient<T> dv, Scratch& scratch);

}    // namespace lull::cpu
