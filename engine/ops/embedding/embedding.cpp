#include "engine/ops/embedding/embedding.h"

#include "engine/ops/bf16.h"
#include "engine/ops/embedding/kernels.h"

namespace lull {

namespace {

struct EmbeddingBackward {
    Tensor index;    // (M), i64
    void backward(const Tensor& dy, Gradients& grad) {
        dispatch(dy, cpu::embedding_backward, cuda::embedding_backward)(index, dy, grad.into(0));
    }
};

}    // namespace

Tensor embedding(const Tensor& table, const Tensor& index) {
    check(table.rank() == 2, "embedding", "expected a table (K, D), got ", table);
    check(index.dtype() == DType::i32 || index.dtype() == DType::i64, "embedding", "expected indices of i32 or i64, got ", index);
    check(index.rank() < kMaxRank, "embedding", "expected indices of at most ", kMaxRank - 1, " axes, got ", index);
    if (widens(table)) return rounded(embedding(wide(table), index));
    const Tensor rows = table.contiguous(), flat = index.to(DType::i64).reshape({-1});
    Tensor y = empty_beside(table, {flat.size(0), table.size(1)});
    dispatch(table, cpu::embedding_forward, cuda::embedding_forward)(rows, flat, y);
    if (recording(rows)) y = record<EmbeddingBackward>(y, {rows}, flat);

    std::array<std::int64_t, kMaxRank> extents{};
    std::copy(index.shape().begin(), index.shape().end(), extents.begin());
    const auto rank = static_cast<std::size_t>(index.rank());
    extents[rank] = table.size(1);
    return y.reshape(Shape(std::span<const std::int64_t>(extents.data(), rank + 1)));
}

}    // namespace lull
