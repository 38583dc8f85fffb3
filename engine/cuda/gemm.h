// Matrix multiplication on the device: cuBLASLt in a build for GPUs, the CPU's where kernels run on the CPU.
#pragma once

#include <cstdint>

#include "engine/dtype.h"

namespace lull::cuda {

// A batch of matrices in row-major device memory, `step` elements from one to the next (0: all are one). Element (i, j) is
// data[i·stride + j], or data[j·stride + i] when transposed.
struct GemmInput {
    const void* data;
    std::int64_t stride;
    bool transposed = false;
    std::int64_t step = 0;
};

// Rows are stride elements apart. bias: n values of C's type, one per column, or null.
struct GemmOutput {
    void* data;
    DType dtype;
    std::int64_t stride;
    std::int64_t step = 0;
    const void* bias = nullptr;
    bool add = false;
};

// C = A B (+ bias) (+ C when add) for each matrix of the batch, A: (m, k), B: (k, n), C: (m, n). A and B are both f32, and so is
// C, or both bf16, and C is either. Products are exact and sums f32, never TF32. The same bits from run to run; the order of
// additions depends on all sizes. C overlaps neither A nor B. Any size may be 0 (an empty sum is 0).
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype, const GemmInput& a, const GemmInput& b,
          const GemmOutput& c, std::int64_t batch = 1);

}    // namespace lull::cuda
