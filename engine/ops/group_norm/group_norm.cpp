#include "engine/ops/group_norm/group_norm.h"

#include "engine/ops/bf16.h"
#include "engine/ops/group_norm/kernels.h"

namespace lull {

namespace {

// The derivation stands in engine/cpu/group_norm.h.
struct GroupNormBackward {
    Tensor x, weight, bias, statistics;
    GroupNormOptions options;

    void backward(const Tensor& dy, Gradients& grad) {
        const auto wanted = [&](int i) { return grad.needs(i) ? grad.into(i) : Into{}; };
        const Into dx = wanted(0), dweight = wanted(1), dbias = wanted(2);
        dispatch(dy, cpu::group_norm_backward, cuda::group_norm_backward)(x, weight, bias, statistics, options, dy, dx, dweight,
                                                                          dbias);
    }
};

}    // namespace

Tensor group_norm(const Tensor& x_any, const Tensor& weight_any, const Tensor& bias_any, const GroupNormOptions& options) {
    check(x_any.rank() >= 2 && x_any.is_floating(), "group_norm", "expected a floating x (N, …, C), got ", x_any);
    const std::int64_t C = x_any.size(-1);
    check(options.groups >= 1 && C % options.groups == 0, "group_norm", "expected groups that divide the ", C, " channels, got ",
          options.groups);
    for (const Tensor& t : {weight_any, bias_any}) {
        check(t.defined() && t.shape() == Shape{C} && t.dtype() == x_any.dtype(), "group_norm", "expected weight and bias ",
              x_any.dtype(), " (", C, ",), got ", t);
    }
    if (widens(x_any)) return rounded(group_norm(wide(x_any), wide(weight_any), wide(bias_any), options));
    const Tensor x = x_any.contiguous(), weight = weight_any.contiguous(), bias = bias_any.contiguous();
    const Tensor y = empty_like(x), statistics = empty({x.size(0), options.groups, 2}, compute_dtype(x), x.device());
    dispatch(x, cpu::group_norm_forward, cuda::group_norm_forward)(x, weight, bias, options, y, statistics);
    return recording(x, weight, bias) ? record<GroupNormBackward>(y, {x, weight, bias}, x, weight, bias, statistics, options) : y;
}

}    // namespace lull
