// The differentiable views and conversions of Tensor.

#include "engine/autograd.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {

namespace {

struct ReshapeBackward {
    Shape shape;
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, dy.reshape(shape)); }
};

struct SliceBackward {
    int axis;
    std::int64_t begin, end;
    // The rest of the input has no part in the output: its gradient is zero.
    void backward(const Tensor& dy, Gradients& grad) {
        const auto [dx, add] = grad.into(0);
        if (!add) fill(dx, 0);
        accumulate(dy, dx.slice(axis, begin, end));
    }
};

struct TransposeBackward {
    int axis_a, axis_b;
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, dy.transpose(axis_a, axis_b)); }
};

struct ExpandBackward {
    Shape shape;
    // An element that was repeated gathers the gradients of all its copies.
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, sum_to(dy, shape)); }
};

struct ToBackward {
    DType dtype;
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, dy.to(dtype)); }
};

struct ToDeviceBackward {
    Device device;
    void backward(const Tensor& dy, Gradients& grad) { grad.give(0, dy.to(device)); }
};

// The shape with its one -1, if any, replaced by what the number of elements leaves.
Shape resolved(Shape shape, std::int64_t elements) {
    std::int64_t known = 1;
    int open = -1;
    for (int i = 0; i < shape.rank(); ++i) {
        check(shape[i] >= -1, "reshape", "expected extents of at least 0, or one -1, got ", shape);
        if (shape[i] != -1)
            known *= shape[i];
        else if (open < 0)
            open = i;
        else
            fail("reshape", "expected at most one -1, got ", shape);
    }
    if (open < 0) return shape;
    check(known > 0, "reshape", "expected a -1 that the other extents decide, got ", shape);
    shape[open] = elements / known;
    return shape;
}

}    // namespace

Tensor Tensor::reshape(const Shape& wanted) const {
    const Shape shape = resolved(wanted, elements());
    check(shape.elements() == elements(), "reshape", "expected a shape of ", elements(), " elements for ", *this, ", got ",
          wanted);
    const Tensor x = contiguous();
    const Tensor y = x.view(shape, contiguous_strides(shape), x.offset());
    return recording(*this) ? record<ReshapeBackward>(y, {*this}, shape_) : y;
}

Tensor Tensor::slice(int index, std::int64_t begin, std::int64_t end) const {
    const int axis = shape_.axis(index);
    check(0 <= begin && begin <= end && end <= size(axis), "slice", "expected 0 ≤ begin ≤ end ≤ ", size(axis), " along axis ",
          axis, " of ", *this, ", got [", begin, ", ", end, ")");
    Shape shape = shape_;
    shape[axis] = end - begin;
    const Tensor y = view(shape, strides_, offset_ + begin * strides_[axis]);
    return recording(*this) ? record<SliceBackward>(y, {*this}, axis, begin, end) : y;
}

Tensor Tensor::transpose(int index_a, int index_b) const {
    const int a = shape_.axis(index_a), b = shape_.axis(index_b);
    Shape shape = shape_, strides = strides_;
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
    const Tensor y = view(shape, strides, offset_);
    return recording(*this) ? record<TransposeBackward>(y, {*this}, a, b) : y;
}

Tensor Tensor::expand(const Shape& shape) const {
    check(rank() == shape.rank() || rank() == 0, "expand", "expected ", shape.rank(), " axes, got ", *this);
    Shape strides = shape;
    for (int i = 0; i < shape.rank(); ++i) {
        const std::int64_t extent = rank() == 0 ? 1 : size(i);
        check(extent == shape[i] || (extent == 1 && shape[i] >= 0), "expand", "expected extents of 1 or those of ", shape,
              ", got ", *this);
        strides[i] = extent == 1 ? 0 : strides_[i];
    }
    const Tensor y = view(shape, strides, offset_);
    return recording(*this) ? record<ExpandBackward>(y, {*this}, shape_) : y;
}

Tensor Tensor::to(DType dtype) const {
    if (dtype == dtype_) return *this;
    const Tensor y = empty(shape_, dtype, device());
    copy(*this, y);
    return recording(*this) && lull::is_floating(dtype) ? record<ToBackward>(y, {*this}, dtype_) : y;
}

Tensor Tensor::to(Device device) const {
    if (device == this->device()) return *this;
    const Tensor y = empty(shape_, dtype_, device);
    copy(*this, y);
    return recording(*this) ? record<ToDeviceBackward>(y, {*this}, this->device()) : y;
}

}    // namespace lull
