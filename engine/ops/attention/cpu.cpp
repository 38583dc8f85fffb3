#include "engine/cpu/attention_head.h"
#include "engine/cpu/parallel.h"
#include "engine/cpu/scratch.h"
#include "engine/ops/attention/kernels.h"

namespace lull::cpu {

namespace {

HeadShape head_shape(const Tensor& q, const Tensor& k, int heads) {
    return {.queries = q.size(1), .keys = k.size(1), .dim = q.size(2) / heads, .stride = q.size(2)};
}

// Where head h of image n begins in a tensor (N, T, C) or, with keys, (N, S, C), and in lse (N, heads, T).
struct HeadOffsets {
    HeadOffsets(const HeadShape& shape, int heads, std::int64_t index) {
        const std::int64_t n = index / heads, h = index % heads;
        query = n * shape.queries * shape.stride + h * shape.dim;
        key = n * shape.keys * shape.stride + h * shape.dim;
        lse = index * shape.queries;
    }
    std::int64_t query, key, lse;
};

}    // namespace

void attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, int heads, Tensor out, Tensor lse) {
    with_compute_dtype("attention", q.dtype(), [&](auto type) {
        using T = decltype(type);
        const HeadShape shape = head_shape(q, k, heads);
        const T *const q_data = q.data<T>(), *const k_data = k.data<T>(), *const v_data = v.data<T>();
        T* const out_data = out.data<T>();
        T* const lse_data = lse.defined() ? lse.data<T>() : nullptr;
        parallel_for(q.size(0) * heads, [&](std::int64_t i) {
            const HeadOffsets at(shape, heads, i);
            Scratch scratch;
            attention_head_forward(shape, q_data + at.query, k_data + at.key, v_data + at.key, out_data + at.query,
                                   lse_data ? lse_data + at.lse : nullptr, scratch);
        });
    });
}

void attention_backward(const Tensor& q, const Tensor& k, const Tensor& v, int heads, const Tensor& out, const Tensor& lse,
                        const Tensor& dout, Into dq, Into dk, Into dv) {
    with_compute_dtype("attention", q.dtype(), [&](auto type) {
        using T = decltype(type);
        const HeadShape shape = head_shape(q, k, heads);
        const T *const q_data = q.data<T>(), *const k_data = k.data<T>(), *const v_data = v.data<T>();
        const T *const out_data = out.data<T>(), *const lse_data = lse.data<T>(), *const dout_data = dout.data<T>();
        const auto place = [](Into& into, std::int64_t offset) {
            return HeadGradient<T>{into.tensor.defined() ? into.tensor.data<T>() + offset : nullptr, into.add};
        };
        parallel_for(q.size(0) * heads, [&](std::int64_t i) {
            const HeadOffsets at(shape, heads, i);
            Scratch scratch;
            attention_head_backward(shape, q_data + at.query, k_data + at.key, v_data + at.key, out_data + at.query,
                                    lse_data + at.lse, dout_data + at.query, place(dq, at.query), place(dk, at.key),
                                    place(dv, at.key), scratch);
        });
    });
}

}    // namespace lull::cpu
