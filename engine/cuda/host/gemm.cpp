#include "engine/cuda/gemm.h"

#include <vector>

#include "engine/cpu/gemm.h"
#include "engine/cuda/host/memory.h"

namespace lull::cuda {

namespace {

// `rows` rows of `columns` elements as f32: where they lie, or, from bf16, copied to `copy`.
cpu::MatrixView<float> wide(const GemmInput& a, DType dtype, std::int64_t matrix, std::int64_t rows, std::int64_t columns,
                            std::vector<float>& copy) {
    if (dtype == DType::f32) return {static_cast<const float*>(a.data) + matrix * a.step, a.stride, a.transposed};
    if (a.transposed) std::swap(rows, columns);    // as they lie
    const bf16* const from = static_cast<const bf16*>(a.data) + matrix * a.step;
    copy.clear();
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) copy.push_back(static_cast<float>(from[i * a.stride + j]));
    return {copy.data(), columns, a.transposed};
}

}    // namespace

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype, const GemmInput& a, const GemmInput& b,
          const GemmOutput& c, std::int64_t batch) {
    const host::DeviceMemoryOpen open;
    std::vector<float> a_copy, b_copy, c_copy, bias;
    if (c.dtype == DType::bf16 && c.bias) {
        const bf16* const from = static_cast<const bf16*>(c.bias);
        for (std::int64_t j = 0; j < n; ++j) bias.push_back(static_cast<float>(from[j]));
    }
    for (std::int64_t matrix = 0; matrix < batch; ++matrix) {
        const auto A = wide(a, dtype, matrix, m, k, a_copy), B = wide(b, dtype, matrix, k, n, b_copy);
        if (c.dtype == DType::f32) {
            cpu::parallel_gemm<float>(m, n, k, A, B, static_cast<float*>(c.data) + matrix * c.step, c.stride,
                                      {.bias = static_cast<const float*>(c.bias), .add = c.add});
            continue;
        }
        bf16* const to = static_cast<bf16*>(c.data) + matrix * c.step;
        c_copy.assign(static_cast<std::size_t>(m * n), 0.0f);
        for (std::int64_t i = 0; c.add && i < m * n; ++i)
            c_copy[static_cast<std::size_t>(i)] = static_cast<float>(to[i / n * c.stride + i % n]);
        cpu::parallel_gemm<float>(m, n, k, A, B, c_copy.data(), n, {.bias = c.bias ? bias.data() : nullptr, .add = c.add});
        for (std::int64_t i = 0; i < m * n; ++i) to[i / n * c.stride + i % n] = bf16(c_copy[static_cast<std::size_t>(i)]);
    }
}

}    // namespace lull::cuda
