#include "engine/tensor.h"

#include "engine/autograd.h"
#include "engine/ops/copy/copy.h"

namespace lull {

Shape contiguous_strides(const Shape& shape) {
    Shape strides = shape;
    std::int64_t stride = 1;
    for (int i = shape.rank() - 1; i >= 0; --i) {
        strides[i] = stride;
        stride *= shape[i];
    }
    return strides;
}

Tensor::Tensor(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype)
    : storage_(std::move(storage)), shape_(shape), strides_(contiguous_strides(shape)), dtype_(dtype) {}

bool Tensor::is_contiguous() const {
    std::int64_t stride = 1;
    for (int i = rank() - 1; i >= 0; --i) {
        if (shape_[i] != 1 && strides_[i] != stride) return false;
        stride *= shape_[i];
    }
    return true;
}

void Tensor::check_type(DType wanted) const {
    check(defined(), "tensor", "expected a tensor, got an undefined one");
    check(dtype_ == wanted, "tensor", "expected elements of ", wanted, ", got ", *this);
}

Tensor Tensor::view(const Shape& shape, const Shape& strides, std::int64_t offset) const {
    Tensor result = detach();
    result.shape_ = shape;
    result.strides_ = strides;
    result.offset_ = offset;
    return result;
}

Tensor Tensor::detach() const {
    Tensor result = *this;
    result.node_ = nullptr;
    return result;
}

// A copy has the gradient of what it is a copy of: it shares the node.
Tensor Tensor::clone() const {
    Tensor result = empty_like(*this);
    copy(*this, result);
    if (recording()) result.node_ = node_;
    return result;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

double Tensor::item() const {
    check(elements() == 1, "item", "expected one element, got ", *this);
    return values()[0];
}

std::vector<double> Tensor::values() const {
    std::vector<double> result(static_cast<std::size_t>(elements()));
    const auto memory = std::make_shared<Storage>(result.data(), result.size() * sizeof(double), nullptr);
    copy(*this, Tensor(memory, shape_, DType::f64));
    return result;
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
    return x.defined() ? out << x.dtype() << ' ' << x.shape() : out << "an undefined tensor";
}

Tensor empty(const Shape& shape, DType dtype, Device device) {
    std::int64_t bytes = size_of(dtype);
    for (const std::int64_t extent : shape) {
        check(extent >= 0, "shape", "expected extents of at least 0, got ", shape);
        check(!__builtin_mul_overflow(bytes, extent, &bytes), "shape", "too many elements: ", shape);
    }
    return {std::make_shared<Storage>(static_cast<std::size_t>(bytes), device), shape, dtype};
}

Tensor full(const Shape& shape, double value, DType dtype, Device device) {
    const Tensor result = empty(shape, dtype, device);
    fill(result, value);
    return result;
}

Tensor from_values(std::span<const double> values, const Shape& shape, DType dtype) {
    check(static_cast<std::int64_t>(values.size()) == shape.elements(), "from_values", "expected ", shape.elements(),
          " values for shape ", shape, ", got ", values.size());
    Tensor result = empty(shape, DType::f64);
    std::copy(values.begin(), values.end(), result.data<double>());
    return result.to(dtype);
}

}    // namespace lull
