// cuBLASLt speaks of column-major matrices: a row-major C = A B is a column-major Cᵀ = Bᵀ Aᵀ of the same memory, so B is its
// first operand and A its second, and m and n change places.
#include "engine/cuda/gemm.h"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>

#include "engine/cuda/nvcc/runtime.h"
#include "engine/tensor.h"

namespace lull::cuda {

namespace {

void check_cublas(cublasStatus_t status) {
    check(status == CUBLAS_STATUS_SUCCESS, "gemm", "cuBLASLt: ", cublasLtGetStatusString(status));
}

struct Destroy {
    void operator()(cublasLtMatmulDesc_t made) const { cublasLtMatmulDescDestroy(made); }
    void operator()(cublasLtMatrixLayout_t made) const { cublasLtMatrixLayoutDestroy(made); }
    void operator()(cublasLtMatmulPreference_t made) const { cublasLtMatmulPreferenceDestroy(made); }
};
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;

cudaDataType_t type_of(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

// rows × columns, column-major.
Owned<cublasLtMatrixLayout_t> layout(DType dtype, std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int64_t step,
                                     std::int64_t batch) {
    cublasLtMatrixLayout_t made = nullptr;
    check_cublas(cublasLtMatrixLayoutCreate(&made, type_of(dtype), static_cast<std::uint64_t>(rows),
                                            static_cast<std::uint64_t>(columns), stride));
    Owned<cublasLtMatrixLayout_t> owned(made);
    const auto count = static_cast<std::int32_t>(batch);
    check_cublas(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
    check_cublas(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step));
    return owned;
}

// Where a matrix is stored transposed, as cuBLASLt sees it, its rows and columns have changed places.
Owned<cublasLtMatrixLayout_t> input_layout(const GemmInput& x, DType dtype, std::int64_t rows, std::int64_t columns,
                                           std::int64_t batch) {
    if (x.transposed) std::swap(rows, columns);
    return layout(dtype, columns, rows, x.stride, x.step, batch);
}

// The largest power of two, up to 256, that divides an address.
std::uint32_t alignment_of(const void* data) {
    const auto address = reinterpret_cast<std::uintptr_t>(data) | 256;
    return static_cast<std::uint32_t>(address & (~address + 1));
}

// How a product of this kind is computed. cuBLASLt's first choice, by its rules and not by a stopwatch.
struct Plan {
    Owned<cublasLtMatmulDesc_t> operation;
    Owned<cublasLtMatrixLayout_t> first, second, out;
    cublasLtMatmulHeuristicResult_t choice{};
};

cublasLtHandle_t handle() {
    static const cublasLtHandle_t made = [] {    // lives as long as the process
        cublasLtHandle_t result = nullptr;
        check_cublas(cublasLtCreate(&result));
        return result;
    }();
    return made;
}

Owned<cublasLtMatmulDesc_t> describe(const GemmInput& a, const GemmInput& b, const GemmOutput& c) {
    cublasLtMatmulDesc_t made = nullptr;
    check_cublas(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    Owned<cublasLtMatmulDesc_t> owned(made);
    const auto set = [&](cublasLtMatmulDescAttributes_t name, const auto& value) {
        check_cublas(cublasLtMatmulDescSetAttribute(made, name, &value, sizeof value));
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, c.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    if (c.bias) {
        set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(c.dtype));
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, c.bias);
    }
    return owned;
}

Owned<cublasLtMatmulPreference_t> preference(const GemmInput& a, const GemmInput& b, const GemmOutput& c) {
    cublasLtMatmulPreference_t made = nullptr;
    check_cublas(cublasLtMatmulPreferenceCreate(&made));
    Owned<cublasLtMatmulPreference_t> owned(made);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
        check_cublas(cublasLtMatmulPreferenceSetAttribute(made, name, &value, sizeof value));
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{32} << 20);    // what NVIDIA advises for Hopper
    // Partial sums stay f32 and are added in a fixed order.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(b.data));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(a.data));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(c.data));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(c.data));
    return owned;
}

// None where cuBLASLt cannot add the bias, as it may be with one row, or rows at odd addresses. Throws Error where it can do
// nothing at all.
std::optional<Plan> make_plan(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype, const GemmInput& a, const GemmInput& b,
                              const GemmOutput& c, std::int64_t batch) {
    Plan plan{.operation = describe(a, b, c),
              .first = input_layout(b, dtype, k, n, batch),
              .second = input_layout(a, dtype, m, k, batch),
              .out = layout(c.dtype, n, m, c.stride, c.step, batch)};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle(), plan.operation.get(), plan.first.get(), plan.second.get(), plan.out.get(),
                                       plan.out.get(), preference(a, b, c).get(), 1, &plan.choice, &found);
    if (status == CUBLAS_STATUS_SUCCESS && found > 0) return plan;
    check(c.bias != nullptr, "gemm", "cuBLASLt has no way to multiply (", m, ", ", k, ") by (", k, ", ", n, ") in ", dtype, ": ",
          cublasLtGetStatusString(status));
    return std::nullopt;
}

const std::optional<Plan>& plan_for(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype, const GemmInput& a,
                                    const GemmInput& b, const GemmOutput& c, std::int64_t batch) {
    using Key = std::array<std::int64_t, 18>;
    static auto& plans = *new std::map<Key, std::optional<Plan>>;    // at the program's end cuBLASLt may be gone already
    const Key key{m,
                  n,
                  k,
                  batch,
                  static_cast<std::int64_t>(dtype),
                  a.stride,
                  a.step,
                  a.transposed,
                  alignment_of(a.data),
                  b.stride,
                  b.step,
                  b.transposed,
                  alignment_of(b.data),
                  static_cast<std::int64_t>(c.dtype),
                  c.stride,
                  c.step,
                  c.bias ? alignment_of(c.bias) : 0,
                  alignment_of(c.data)};
    const auto known = plans.find(key);
    return known != plans.end() ? known->second : plans.emplace(key, make_plan(m, n, k, dtype, a, b, c, batch)).first->second;
}

}    // namespace

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype, const GemmInput& a, const GemmInput& b,
          const GemmOutput& c, std::int64_t batch) {
    if (m == 0 || n == 0 || batch == 0) return;
    if (k == 0) {    // cuBLASLt knows no empty sums, but 0 · 0
        const Tensor zero = zeros({std::max(m, n)}, dtype, Device::cuda);
        return gemm(m, n, 1, dtype, {.data = zero.raw(), .stride = 1}, {.data = zero.raw(), .stride = n}, c, batch);
    }
    const std::optional<Plan>& known = plan_for(m, n, k, dtype, a, b, c, batch);
    if (!known) {    // the bias first, as a column of ones times a row
        const Tensor one = ones({m}, c.dtype, Device::cuda);
        GemmOutput out = c;
        out.bias = nullptr;
        gemm(m, n, 1, c.dtype, {.data = one.raw(), .stride = 1}, {.data = c.bias, .stride = n}, out, batch);
        out.add = true;
        return gemm(m, n, k, dtype, a, b, out, batch);
    }
    const Plan& plan = *known;
    if (c.bias)
        check_cublas(
            cublasLtMatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &c.bias, sizeof c.bias));
    const auto workspace_bytes = static_cast<std::int64_t>(plan.choice.workspaceSize);
    const Tensor workspace = empty({workspace_bytes}, DType::u8, Device::cuda);
    const float one = 1, beta = c.add ? 1 : 0;
    check_cublas(cublasLtMatmul(handle(), plan.operation.get(), &one, b.data, plan.first.get(), a.data, plan.second.get(), &beta,
                                c.data, plan.out.get(), c.data, plan.out.get(), &plan.choice.algo, workspace.raw(),
                                plan.choice.workspaceSize, stream()));
}

}    // namespace lull::cuda
