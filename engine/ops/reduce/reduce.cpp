#include "engine/ops/reduce/reduce.h"

#include <array>
#include <numeric>
#include <vector>

#include "engine/ops/bf16.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/kernels.h"

namespace lull {

namespace {

// x as (outer, n, inner) with the reduced axes together as n, and the shape that the result has.
struct Grouped {
    Tensor x;
    Shape kept;
};

Grouped grouped(const char* name, const Tensor& x, std::span<const int> axes) {
    check(x.defined() && x.is_floating(), name, "expected a floating tensor, got ", x);
    std::array<bool, kMaxRank> reduced{};
    Shape kept = x.shape();
    for (const int axis : axes) {
        bool& flag = reduced[static_cast<std::size_t>(x.shape().axis(axis))];
        check(!flag, name, "expected every axis once, got axis ", axis, " again for ", x);
        flag = true;
        kept[axis] = 1;
    }
    // Reduced axes that lie apart are brought together: each moves in front of the kept ones between it and the one before.
    Tensor y = x;
    std::int64_t outer = 1, n = 1, inner = 1;
    int next = -1;    // where the next reduced axis belongs
    for (int axis = 0; axis < x.rank(); ++axis) {
        if (!reduced[static_cast<std::size_t>(axis)]) {
            (next < 0 ? outer : inner) *= x.size(axis);
            continue;
        }
        if (next < 0) next = axis;
        if (inner == 1) next = axis;    // only extents of 1 between
        for (int i = axis; i > next; --i) y = y.transpose(i - 1, i);
        ++next;
        n *= x.size(axis);
    }
    return {y.contiguous().reshape({outer, n, inner}), kept};
}

Tensor reduced(Reduction kind, double scale, const Tensor& x) {
    Tensor y = empty_beside(x, {x.size(0), 1, x.size(2)});
    dispatch(x, cpu::reduce_forward, cuda::reduce_forward)(kind, scale, x, y);
    return y;
}

struct SumBackward {
    Shape shape;    // of x: (outer, n, inner)
    double scale;
    // y = scale Σ x_i   ⇒   dx_i = scale dy
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, (scale == 1 ? dy : dy * scale).expand(shape)); }
};

struct ExtremeBackward {
    Tensor x, y;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::extreme_backward, cuda::extreme_backward)(x, y, dy, grad.into(0));
    }
};

Tensor scaled_sum(const Grouped& in, double scale) {
    const Tensor y = reduced(Reduction::sum, scale, in.x);
    return (recording(in.x) ? record<SumBackward>(y, {in.x}, in.x.shape(), scale) : y).reshape(in.kept);
}

Tensor extreme(const char* name, Reduction kind, const Grouped& in) {
    check(in.x.size(1) > 0 || in.kept.elements() == 0, name, "expected at least one element to choose from, got none");
    const Tensor y = reduced(kind, 1, in.x);
    return (recording(in.x) ? record<ExtremeBackward>(y, {in.x}, in.x, y) : y).reshape(in.kept);
}

std::vector<int> all_axes(const Tensor& x) {
    std::vector<int> axes(static_cast<std::size_t>(x.rank()));
    std::iota(axes.begin(), axes.end(), 0);
    return axes;
}

}    // namespace

Tensor sum(const Tensor& x, std::span<const int> axes) {
    if (widens(x)) return rounded(sum(wide(x), axes));
    return scaled_sum(grouped("sum", x, axes), 1);
}

Tensor mean(const Tensor& x, std::span<const int> axes) {
    if (widens(x)) return rounded(mean(wide(x), axes));
    const Grouped in = grouped("mean", x, axes);
    return scaled_sum(in, 1 / static_cast<double>(in.x.size(1)));
}

Tensor max(const Tensor& x, std::span<const int> axes) {
    if (widens(x)) return rounded(max(wide(x), axes));
    return extreme("max", Reduction::max, grouped("max", x, axes));
}

Tensor min(const Tensor& x, std::span<const int> axes) {
    if (widens(x)) return rounded(min(wide(x), axes));
    return extreme("min", Reduction::min, grouped("min", x, axes));
}

Tensor sum(const Tensor& x) { return sum(x, all_axes(x)).reshape({}); }
Tensor mean(const Tensor& x) { return mean(x, all_axes(x)).reshape({}); }
Tensor max(const Tensor& x) { return max(x, all_axes(x)).reshape({}); }
Tensor min(const Tensor& x) { return min(x, all_axes(x)).reshape({}); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    if (shape.rank() == 0) return sum(x);
    std::vector<int> axes;
    for (int axis = 0; axis < x.rank(); ++axis) {
        if (shape[axis] != x.size(axis)) axes.push_back(axis);
    }
    return sum(x, axes);
}

}    // namespace lull
