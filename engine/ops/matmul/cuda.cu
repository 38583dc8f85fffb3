// By cuBLASLt: all products of the leading axes in one call. f32 or bf16; sums are f32.
#include "engine/cuda/gemm.h"
#include "engine/ops/matmul/kernels.h"

namespace lull::cuda {

void matmul_into(const Tensor& a, const Tensor& b, const MatmulOptions& options, Into c) {
    const std::int64_t m = c.tensor.size(-2), n = c.tensor.size(-1), k = a.size(options.transpose_a ? -2 : -1);
    if (m == 0 || n == 0) return;
    gemm(m, n, k, a.dtype(), {.data = a.raw(), .stride = a.size(-1), .transposed = options.transpose_a, .step = m * k},
         {.data = b.raw(), .stride = b.size(-1), .transposed = options.transpose_b, .step = k * n},
         {.data = c.tensor.raw(), .dtype = c.tensor.dtype(), .stride = n, .step = m * n, .add = c.add},
         c.tensor.elements() / (m * n));
}

}    // namespace lull::cuda
