#include "engine/ops/elementwise/elementwise.h"

#include "engine/ops/bf16.h"
#include "engine/ops/elementwise/kernels.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {

namespace {

void check_type(const char* name, const Tensor& x) {
    check(x.defined() && x.is_floating(), name, "expected a floating tensor, got ", x);
}

bool both_bf16(const Tensor& a, const Tensor& b) { return is_bf16(a) && is_bf16(b); }
bool both_widen(const Tensor& a, const Tensor& b) { return widens(a) && widens(b); }

// The shape of a ∘ b.
Shape broadcast(const char* name, const Tensor& a, const Tensor& b) {
    check_type(name, a);
    check_type(name, b);
    check(a.dtype() == b.dtype(), name, "expected operands of one type, got ", a, " and ", b);
    if (a.rank() == 0) return b.shape();
    if (b.rank() == 0) return a.shape();
    bool fits = a.rank() == b.rank();
    Shape shape = a.shape();
    for (int axis = 0; fits && axis < a.rank(); ++axis) {
        fits = a.size(axis) == b.size(axis) || a.size(axis) == 1 || b.size(axis) == 1;
        if (a.size(axis) == 1) shape[axis] = b.size(axis);
    }
    check(fits, name, "expected equal ranks and extents that are equal or 1 (a per-image value is (N, 1, 1, 1)), got ", a,
          " and ", b);
    return shape;
}

// y ← a ∘ b, not recorded.
void combine(Binary kind, const Tensor& a, const Tensor& b, Into y) {
    const Shape& shape = y.tensor.shape();
    const Tensor left = a.detach().contiguous().expand(shape), right = b.detach().contiguous().expand(shape);
    dispatch(left, cpu::binary_forward, cuda::binary_forward)(kind, left, right, y);
}

Tensor combined(const char* name, Binary kind, const Tensor& a, const Tensor& b) {
    const Tensor y = empty_beside(a, broadcast(name, a, b));
    combine(kind, a, b, {y, false});
    return y;
}

void scale_into(const Tensor& x, double a, Into y) { dispatch(x, cpu::affine_forward, cuda::affine_forward)(x, a, 0, y); }

// Gives operand i, of the given shape, the gradient dy ∘ other. What is added up is not rounded before.
void give(Gradients& grad, int i, const Shape& shape, Binary kind, const Tensor& dy, const Tensor& other) {
    if (!grad.needs(i)) return;
    if (shape == dy.shape()) return combine(kind, dy, other, grad.into(i));
    const Tensor terms = wide(dy), full = empty_like(terms);
    combine(kind, terms, wide(other), {full, false});
    grad.give(i, sum_to(full, shape).to(dy.dtype()));
}

struct AddBackward {
    Shape a, b;
    void backward(const Tensor& dy, Gradients& grad) {
        if (grad.needs(0)) grad.give(0, sum_to(dy, a));
        if (grad.needs(1)) grad.give(1, sum_to(dy, b));
    }
};

struct SubtractBackward {
    Shape a, b;
    void backward(const Tensor& dy, Gradients& grad) {
        if (grad.needs(0)) grad.give(0, sum_to(dy, a));
        if (grad.needs(1)) scale_into(sum_to(dy, b), -1, grad.into(1));
    }
};

struct MultiplyBackward {
    Shape a_shape, b_shape;
    Tensor a, b;    // undefined where the other wants no gradient
    // y = a b   ⇒   da = dy b, db = dy a
    void backward(const Tensor& dy, Gradients& grad) {
        give(grad, 0, a_shape, Binary::multiply, dy, b);
        give(grad, 1, b_shape, Binary::multiply, dy, a);
    }
};

struct DivideBackward {
    Shape a_shape;
    Tensor b, y;
    // y = a / b   ⇒   da = dy / b, db = -dy y / b
    void backward(const Tensor& dy, Gradients& grad) {
        give(grad, 0, a_shape, Binary::divide, dy, b);
        if (grad.needs(1)) give(grad, 1, b.shape(), Binary::divide, -(dy * y), b);
    }
};

struct AffineBackward {
    double a;
    void backward(const Tensor& dy, Gradients& grad) { scale_into(dy, a, grad.into(0)); }
};

struct UnaryBackward {
    Unary kind;
    Tensor saved;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::unary_backward, cuda::unary_backward)(kind, saved, dy, grad.into(0));
    }
};

struct ClampBackward {
    Tensor x;
    double low, high;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::clamp_backward, cuda::clamp_backward)(x, low, high, dy, grad.into(0));
    }
};

struct LeakyReluBackward {
    Tensor x;
    double slope;
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::leaky_relu_backward, cuda::leaky_relu_backward)(x, slope, dy, grad.into(0));
    }
};

Tensor unary(const char* name, Unary kind, const Tensor& input) {
    check_type(name, input);
    if (widens(input)) return rounded(unary(name, kind, wide(input)));
    const Tensor x = input.contiguous();
    Tensor y = empty_like(x);
    dispatch(x, cpu::unary_forward, cuda::unary_forward)(kind, x, y);
    return recording(x) ? record<UnaryBackward>(y, {x}, kind, saves_output(kind, x.dtype()) ? y : x) : y;
}

}    // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
    if (both_widen(a, b)) return rounded(wide(a) + wide(b));
    const Tensor y = combined("add", Binary::add, a, b);
    return recording(a, b) ? record<AddBackward>(y, {a, b}, a.shape(), b.shape()) : y;
}

Tensor operator-(const Tensor& a, const Tensor& b) {
    if (both_widen(a, b)) return rounded(wide(a) - wide(b));
    const Tensor y = combined("subtract", Binary::subtract, a, b);
    return recording(a, b) ? record<SubtractBackward>(y, {a, b}, a.shape(), b.shape()) : y;
}

Tensor operator*(const Tensor& a, const Tensor& b) {
    if (both_widen(a, b)) return rounded(wide(a) * wide(b));
    const Tensor y = combined("multiply", Binary::multiply, a, b);
    if (!recording(a, b)) return y;
    return record<MultiplyBackward>(y, {a, b}, a.shape(), b.shape(), b.has_gradient() ? a : Tensor(),
                                    a.has_gradient() ? b : Tensor());
}

// bf16 is widened on CUDA, too: backward would read a rounded quotient.
Tensor operator/(const Tensor& a, const Tensor& b) {
    if (both_bf16(a, b)) return rounded(wide(a) / wide(b));
    const Tensor y = combined("divide", Binary::divide, a, b);
    if (!recording(a, b)) return y;
    return record<DivideBackward>(y, {a, b}, a.shape(), b, b.has_gradient() ? y : Tensor());
}

Tensor affine(const Tensor& input, double a, double b) {
    check_type("affine", input);
    if (widens(input)) return rounded(affine(wide(input), a, b));
    const Tensor x = input.contiguous();
    Tensor y = empty_like(x);
    dispatch(x, cpu::affine_forward, cuda::affine_forward)(x, a, b, Into{y, false});
    return recording(x) ? record<AffineBackward>(y, {x}, a) : y;
}

Tensor reciprocal(const Tensor& x) { return unary("reciprocal", Unary::reciprocal, x); }
Tensor sq(const Tensor& x) { return unary("sq", Unary::square, x); }
Tensor sqrt(const Tensor& x) { return unary("sqrt", Unary::sqrt, x); }
Tensor exp(const Tensor& x) { return unary("exp", Unary::exp, x); }
Tensor log(const Tensor& x) { return unary("log", Unary::log, x); }
Tensor sin(const Tensor& x) { return unary("sin", Unary::sin, x); }
Tensor cos(const Tensor& x) { return unary("cos", Unary::cos, x); }
Tensor sigmoid(const Tensor& x) { return unary("sigmoid", Unary::sigmoid, x); }
Tensor silu(const Tensor& x) { return unary("silu", Unary::silu, x); }
Tensor tanh(const Tensor& x) { return unary("tanh", Unary::tanh, x); }
Tensor relu(const Tensor& x) { return unary("relu", Unary::relu, x); }
Tensor gelu(const Tensor& x) { return unary("gelu", Unary::gelu, x); }

Tensor leaky_relu(const Tensor& input, double slope, double shift) {
    check_type("leaky_relu", input);
    if (widens(input)) return rounded(leaky_relu(wide(input), slope, shift));
    const Tensor x = input.contiguous();
    Tensor y = empty_like(x);
    dispatch(x, cpu::leaky_relu_forward, cuda::leaky_relu_forward)(x, slope, shift, y);
    return recording(x) ? record<LeakyReluBackward>(y, {x}, x, slope) : y;
}

Tensor clamp(const Tensor& input, double low, double high) {
    check_type("clamp", input);
    check(low <= high, "clamp", "expected low ≤ high, got ", low, " and ", high);
    if (widens(input)) return rounded(clamp(wide(input), low, high));
    const Tensor x = input.contiguous();
    Tensor y = empty_like(x);
    dispatch(x, cpu::clamp_forward, cuda::clamp_forward)(x, low, high, y);
    return recording(x) ? record<ClampBackward>(y, {x}, x, low, high) : y;
}

}    // namespace lull
