#include "engine/ops/attention/attention.h"

#include "engine/ops/attention/kernels.h"
#include "engine/ops/bf16.h"

namespace lull {

namespace {

// The derivation is in engine/cpu/attention_head.cpp.
struct AttentionBackward {
    Tensor q, k, v;
    int heads;
    Tensor out;
    Tensor lse;    // (N, heads, T)

    void backward(const Tensor& dout, Gradients& grad) {
        const auto wanted = [&](int i) { return grad.needs(i) ? grad.into(i) : Into{}; };
        const Into dq = wanted(0), dk = wanted(1), dv = wanted(2);    // in this order: two may be one place
        dispatch(dout, cpu::attention_backward, cuda::attention_backward)(q, k, v, heads, out, lse, dout, dq, dk, dv);
    }
};

}    // namespace

Tensor attention(const Tensor& q_any, const Tensor& k_any, const Tensor& v_any, int heads) {
    check(q_any.rank() == 3, "attention", "expected q (N, T, C), got ", q_any);
    const std::int64_t n = q_any.size(0), channels = q_any.size(2);
    check(heads > 0 && channels % heads == 0, "attention", "expected a number of heads that divides the ", channels,
          " channels, got ", heads);
    check(k_any.rank() == 3 && k_any.size(0) == n && k_any.size(1) > 0 && k_any.size(2) == channels, "attention", "expected k (",
          n, ", S, ", channels, ") for q ", q_any, ", got ", k_any);
    check(v_any.shape() == k_any.shape(), "attention", "expected v like k ", k_any, ", got ", v_any);
    check(k_any.dtype() == q_any.dtype() && v_any.dtype() == q_any.dtype(), "attention", "expected q, k and v of one type, got ",
          q_any, ", ", k_any, " and ", v_any);
    if (widens(q_any)) return rounded(attention(wide(q_any), wide(k_any), wide(v_any), heads));
    const Tensor q = q_any.contiguous(), k = k_any.contiguous(), v = v_any.contiguous();

    const Tensor out = empty_like(q);
    const bool records = recording(q, k, v);
    const Tensor lse = records ? empty({n, heads, q.size(1)}, compute_dtype(q), q.device()) : Tensor();
    dispatch(q, cpu::attention_forward, cuda::attention_forward)(q, k, v, heads, out, lse);
    return records ? record<AttentionBackward>(out, {q, k, v}, q, k, v, heads, out, lse) : out;
}

}    // namespace lull
