#include "engine/ops/concat/concat.h"

#include <algorithm>
#include <vector>

#include "engine/ops/bf16.h"
#include "engine/ops/concat/kernels.h"

namespace lull {

namespace {

struct ConcatBackward {
    int axis;
    std::vector<std::int64_t> begins;    // where each part begins along the axis, and the end
    void backward(const Tensor& dy, Gradients& grad) {
        for (int i = 0; i + 1 < static_cast<int>(begins.size()); ++i) {
            if (!grad.needs(i)) continue;
            const std::int64_t begin = begins[static_cast<std::size_t>(i)], end = begins[static_cast<std::size_t>(i) + 1];
            if (widens(dy))
                grad.give(i, dy.slice(axis, begin, end));
            else
                dispatch(dy, cpu::concat_backward, cuda::concat_backward)(dy, axis, begin, grad.into(i));
        }
    }
};

}    // namespace

Tensor concat(std::span<const Tensor> parts, int axis) {
    check(!parts.empty(), "concat", "expected at least one tensor, got none");
    const Tensor& first = parts[0];
    axis = first.shape().axis(axis);
    Shape shape = first.shape();
    shape[axis] = 0;
    std::vector<Tensor> packed;
    std::vector<std::int64_t> begins = {0};
    for (const Tensor& part : parts) {
        Shape like_first = part.shape();
        if (part.rank() == first.rank()) like_first[axis] = first.size(axis);
        check(like_first == first.shape() && part.dtype() == first.dtype(), "concat", "expected tensors that differ along axis ",
              axis, " only, got ", first, " and ", part);
        shape[axis] += part.size(axis);
        begins.push_back(shape[axis]);
        packed.push_back(part.contiguous());
    }
    Tensor y = empty_beside(first, shape);
    dispatch(y, cpu::concat_forward, cuda::concat_forward)(std::span<const Tensor>(packed), axis, y);
    const bool recorded =
        recording() && std::any_of(parts.begin(), parts.end(), [](const Tensor& x) { return x.has_gradient(); });
    if (!recorded) return y;
    return connect(y, parts, std::make_shared<OperationNode<ConcatBackward>>(ConcatBackward{axis, begins}));
}

}    // namespace lull
