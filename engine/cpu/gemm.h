// Matrix multiplication.
#pragma once

#include <cstdint>

namespace lull::cpu {

// A matrix in row-major memory: element (i, j) is data[i·stride + j], or data[j·stride + i] when transposed.
template <class T>
struct MatrixView {
    const T* data;
    std::int64_t stride;
    bool transposed = false;
};

// What is added to the product: the bias (n values, one per column) or nullptr, and C itself when `add`.
template <class T>
struct GemmEpilogue {
    const T* bias = nullptr;
    bool add = false;
};

// C = A B (+ bias) (+ C), with A: (m, k), B: (k, n), C: (m, n) row-major with rows c_stride ≥ n apart. T: float or double.
// C overlaps neither A nor B. m, n or k may be 0 (an empty sum is 0).
//
// An element's bits depend on its row of A, its column of B, its bias and C element, and on k: never on m, n, the element's
// place, or threads. Each is a chain of multiply-adds over blocks of at most 256 in ascending order.
//
// On the calling thread; allocates nothing and throws nothing, so it may be called inside parallel loops.
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
          std::int64_t c_stride, const GemmEpilogue<T>& epilogue = {});

// The same bits, with C's rows and columns handed out to thread_count() threads, and B packed once for all of them in memory
// from the arena, which may throw: not for use inside parallel loops.
template <class T>
void parallel_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
                   std::int64_t c_stride, const GemmEpilogue<T>& epilogue = {});

// The same of A and B rounded to bf16, twice as fast where the processor multiplies pairs of bf16. Sums, bias and C stay f32;
// an element's bits depend on what they do in gemm.
void parallel_gemm_bf16(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView<float>& a, const MatrixView<float>& b,
                        float* c, std::int64_t c_stride, const GemmEpilogue<float>& epilogue = {});

}    // namespace lull::cpu
