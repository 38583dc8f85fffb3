#include "engine/cpu/gemm.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/matmul/kernels.h"

namespace lull::cpu {

// Many products: a thread each. A single one: the threads share its rows and columns. An element's bits are the same.
void matmul_into(const Tensor& a, const Tensor& b, const MatmulOptions& options, Into c) {
    with_compute_dtype("matmul", a.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t m = c.tensor.size(-2), n = c.tensor.size(-1), k = a.size(options.transpose_a ? -2 : -1);
        if (m == 0 || n == 0) return;
        const std::int64_t products = c.tensor.elements() / (m * n);
        const T* const a_data = a.data<T>();
        const T* const b_data = b.data<T>();
        T* const c_data = c.tensor.data<T>();
        const auto multiply = [&](auto gemm, std::int64_t i) {
            const MatrixView<T> A{a_data + i * m * k, a.size(-1), options.transpose_a};
            const MatrixView<T> B{b_data + i * k * n, b.size(-1), options.transpose_b};
            gemm(m, n, k, A, B, c_data + i * m * n, n, GemmEpilogue<T>{.add = c.add});
        };
        if (products == 1) return multiply(parallel_gemm<T>, 0);
        parallel_for(products, [&](std::int64_t i) { multiply(gemm<T>, i); });
    });
}

}    // namespace lull::cpu
