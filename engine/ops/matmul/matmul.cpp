#include "engine/ops/matmul/matmul.h"

#include "engine/ops/bf16.h"
#include "engine/ops/matmul/kernels.h"

namespace lull {

namespace {

void product(const Tensor& a, const Tensor& b, const MatmulOptions& options, const Into& c) {
    dispatch(a, cpu::matmul_into, cuda::matmul_into)(a, b, options, c);
}

// With A = op(a), B = op(b), C = A B:  dA = dC Bᵀ, dB = Aᵀ dC; where an operand was read transposed, so is its gradient.
struct MatmulBackward {
    Tensor a, b;
    MatmulOptions options;

    void backward(const Tensor& dc, Gradients& grad) {
        const auto [a_turned, b_turned] = options;
        if (grad.needs(0)) {
            if (a_turned)
                product(b, dc, {.transpose_a = b_turned, .transpose_b = true}, grad.into(0));
            else
                product(dc, b, {.transpose_b = !b_turned}, grad.into(0));
        }
        if (grad.needs(1)) {
            if (b_turned)
                product(dc, a, {.transpose_a = true, .transpose_b = a_turned}, grad.into(1));
            else
                product(a, dc, {.transpose_a = !a_turned}, grad.into(1));
        }
    }
};

}    // namespace

Tensor matmul(const Tensor& a_any, const Tensor& b_any, const MatmulOptions& options) {
    check(a_any.rank() >= 2 && a_any.rank() == b_any.rank(), "matmul", "expected two operands of equal rank, at least 2, got ",
          a_any, " and ", b_any);
    check(a_any.dtype() == b_any.dtype(), "matmul", "expected operands of one type, got ", a_any, " and ", b_any);
    if (widens(a_any)) return rounded(matmul(wide(a_any), wide(b_any), options));
    const Tensor a = a_any.contiguous(), b = b_any.contiguous();
    const std::int64_t m = a.size(options.transpose_a ? -1 : -2), k = a.size(options.transpose_a ? -2 : -1);
    const std::int64_t n = b.size(options.transpose_b ? -2 : -1);

    Shape b_shape = a.shape(), c_shape = a.shape();
    b_shape[-2] = options.transpose_b ? n : k;
    b_shape[-1] = options.transpose_b ? k : n;
    check(b.shape() == b_shape, "matmul", "expected b ", b_shape, " for a ", a, ", got ", b);
    c_shape[-2] = m;
    c_shape[-1] = n;
    const Tensor c = empty_beside(a, c_shape);
    product(a, b, options, {c});
    return recording(a, b) ? record<MatmulBackward>(c, {a, b}, a, b, options) : c;
}

}    // namespace lull
