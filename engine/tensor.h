// Tensor: a value handle on a strided view of shared storage, and the functions that make one.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <vector>

#include "engine/device.h"
#include "engine/dtype.h"
#include "engine/shape.h"
#include "engine/storage.h"

namespace lull {

struct Node;    // engine/autograd.h

// Copying a Tensor copies the handle: both see the same elements. A default-constructed one is undefined and stands for
// something absent (no bias, no skip). Images are (N, H, W, C), filters (O, kh, kw, C). There are no public in-place
// operations; kernels write through data(), into tensors that they were given to fill.
class Tensor {
  public:
    Tensor() = default;
    Tensor(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype);    // contiguous, from the storage's start

    bool defined() const { return storage_ != nullptr; }
    const Shape& shape() const { return shape_; }
    int rank() const { return shape_.rank(); }
    std::int64_t size(int axis) const { return shape_[axis]; }
    std::int64_t elements() const { return shape_.elements(); }
    const Shape& strides() const { return strides_; }    // in elements
    DType dtype() const { return dtype_; }
    Device device() const { return storage_ ? storage_->device() : Device::cpu; }
    bool is_floating() const { return lull::is_floating(dtype_); }
    bool is_contiguous() const;

    // The first element, in the memory of the tensor's device. Throws Error when T is not the tensor's type.
    template <class T>
    T* data() {
        check_type(dtype_of<T>());
        return reinterpret_cast<T*>(raw());
    }
    template <class T>
    const T* data() const {
        check_type(dtype_of<T>());
        return reinterpret_cast<const T*>(raw());
    }
    std::byte* raw() const { return storage_->data() + offset_ * size_of(dtype_); }

    // Views: they share storage and are differentiable. Axes may be negative.
    Tensor reshape(const Shape& shape) const;    // one extent may be -1; copies when the layout does not allow a view
    Tensor slice(int axis, std::int64_t begin, std::int64_t end) const;    // elements [begin, end) of an axis
    Tensor transpose(int axis_a, int axis_b) const;
    Tensor expand(const Shape& shape) const;    // axes of extent 1 repeated without copying

    Tensor contiguous() const;         // itself if it is contiguous, otherwise a copy
    Tensor clone() const;              // always a copy
    Tensor to(DType dtype) const;      // itself if it has that type, otherwise converted; differentiable between floats
    Tensor to(Device device) const;    // itself if it lies there, otherwise a copy; differentiable
    Tensor detach() const;             // the same elements, unknown to autograd

    // The only element. Throws Error when there is not exactly one.
    double item() const;
    // All elements in row-major order, converted.
    std::vector<double> values() const;

    // Autograd (engine/autograd.h). A leaf gathers its gradient in grad(), undefined before the first backward.
    Tensor& requires_grad();
    bool has_gradient() const { return node_ != nullptr; }
    Tensor grad() const;
    void backward() const;    // from a scalar: fills the gradient of every leaf that it depends on

    // For operations and views.
    const std::shared_ptr<Node>& node() const { return node_; }
    void set_node(std::shared_ptr<Node> node) { node_ = std::move(node); }
    const std::shared_ptr<Storage>& storage() const { return storage_; }
    std::int64_t offset() const { return offset_; }                                      // in elements
    Tensor view(const Shape& shape, const Shape& strides, std::int64_t offset) const;    // unchecked, not differentiable

  private:
    void check_type(DType wanted) const;

    std::shared_ptr<Storage> storage_;
    std::shared_ptr<Node> node_;
    Shape shape_, strides_;
    std::int64_t offset_ = 0;
    DType dtype_ = DType::f32;
};

// f32 (8, 32, 32, 1)
std::ostream& operator<<(std::ostream& out, const Tensor& x);

Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);    // uninitialised
Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = Device::cpu);
inline Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu) {
    return full(shape, 0, dtype, device);
}
inline Tensor ones(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu) {
    return full(shape, 1, dtype, device);
}
inline Tensor scalar(double value, DType dtype = DType::f32, Device device = Device::cpu) {
    return full({}, value, dtype, device);
}
// Of x's type, on x's device.
inline Tensor empty_beside(const Tensor& x, const Shape& shape) { return empty(shape, x.dtype(), x.device()); }
inline Tensor empty_like(const Tensor& x) { return empty_beside(x, x.shape()); }
inline Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype(), x.device()); }

// Row-major values, converted to dtype, on the CPU. Throws Error when their number is not the shape's.
Tensor from_values(std::span<const double> values, const Shape& shape, DType dtype = DType::f32);
inline Tensor from_values(std::initializer_list<double> values, const Shape& shape, DType dtype = DType::f32) {
    return from_values(std::span(values.begin(), values.size()), shape, dtype);
}

// Row-major strides of a shape, in elements.
Shape contiguous_strides(const Shape& shape);

}    // namespace lull
