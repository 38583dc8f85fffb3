// Three matrix products, by cuBLASLt, and a sum over rows. Tensors of one type, f32 or bf16; sums are f32.
#include "engine/cuda/column_sum.h"
#include "engine/cuda/gemm.h"
#include "engine/ops/linear/kernels.h"

namespace lull::cuda {

namespace {

// What is multiplied: the tensor, or its values rounded to bf16, where tensor cores multiply 15 times as fast.
Tensor operand(const Tensor& x, bool as_bf16) { return as_bf16 ? x.detach().to(DType::bf16) : x; }

// c (+)= op(a) op(b) (+ bias) with a and b as they lie in memory, each with rows of its last axis; c: (m, n).
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const Tensor& a, bool a_transposed, const Tensor& b,
              bool b_transposed, Into c, const Tensor& bias = {}) {
    gemm(m, n, k, a.dtype(), {.data = a.raw(), .stride = a.size(-1), .transposed = a_transposed},
         {.data = b.raw(), .stride = b.size(-1), .transposed = b_transposed},
         {.data = c.tensor.raw(),
          .dtype = c.tensor.dtype(),
          .stride = n,
          .bias = bias.defined() ? bias.raw() : nullptr,
          .add = c.add});
}

std::int64_t rows_of(const Tensor& x) {    // also where a row has no elements
    std::int64_t rows = 1;
    for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.size(axis);
    return rows;
}

}    // namespace

void linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, bool as_bf16, Into y) {
    multiply(rows_of(x), weight.size(0), weight.size(1), operand(x, as_bf16), false, operand(weight, as_bf16), true, y, bias);
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, bool as_bf16, Into dx) {
    multiply(rows_of(dy), weight.size(1), weight.size(0), operand(dy, as_bf16), false, operand(weight, as_bf16), false, dx);
}

void linear_backward_weight(const Tensor& x, const Tensor& dy, bool as_bf16, Into dweight) {
    multiply(dy.size(-1), x.size(-1), rows_of(x), operand(dy, as_bf16), true, operand(x, as_bf16), false, dweight);
}

void linear_backward_bias(const Tensor& dy, Into dbias) { column_sum(dy, dbias); }

}    // namespace lull::cuda
