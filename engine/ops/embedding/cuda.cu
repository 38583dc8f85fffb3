// Table look-up, and its gradient.
//
// Forward: a thread copies one element; table rows and output are read and written once, the minimum.
// Backward: a thread owns one element of the table and adds up, in f32 and in the order of the batch, those gradients whose index
// is its row: no atomics, the same bits every time. Every row looks through all M indices, M·K·8 bytes that all threads of a
// block read at once from the cache: for the tables of class labels that lull has (K of tens, M of hundreds) less than a launch
// takes; a vocabulary of words would want a sort.
#include "engine/cuda/device.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/embedding/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 128;

// table: (wrong.limit, width), index: (M) → y: (M, width). A row that is not in the table reads as NaN, so that no loss hides
// it; the first of these is noted by the one thread that finds none before it.
template <class T>
__global__ void look_up_kernel(const T* table, const std::int64_t* index, T* y, std::int64_t width, std::int64_t n,
                               BadIndex wrong, BadIndex* noted) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    const auto is_known = [&](std::int64_t row) { return row >= 0 && row < wrong.limit; };
    const std::int64_t row = index[i / width];
    y[i] = is_known(row) ? table[row * width + i % width] : from_float<T>(NAN);
    if (is_known(row) || i % width != 0) return;
    wrong.row = i / width;
    for (std::int64_t before = 0; before < wrong.row; ++before)
        if (!is_known(index[before])) return;
    wrong.index = row;
    *noted = wrong;
}

// dy: (M, width), dtable: (rows, width), a row of blocks along y.
template <class T>
__global__ void gather_gradients_kernel(const std::int64_t* index, const T* dy, T* dtable, bool add, std::int64_t width,
                                        std::int64_t count) {
    const std::int64_t row = blockIdx.y, column = global_thread();
    if (column >= width) return;
    T* const to = dtable + row * width + column;
    float sum = add ? to_float(*to) : 0;
    for (std::int64_t i = 0; i < count; ++i)
        if (index[i] == row) sum += to_float(dy[i * width + column]);
    *to = from_float<T>(sum);
}

}    // namespace

void embedding_forward(const Tensor& table, const Tensor& index, Tensor& y) {
    with_device_dtype("embedding", table.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t n = y.elements();
        launch<look_up_kernel<T>>(one_thread_each(n, kThreads), table.data<T>(), index.data<std::int64_t>(), y.data<T>(),
                                  table.size(1), n, BadIndex{.where = "embedding", .what = "indices", .limit = table.size(0)},
                                  bad_index());
    });
}

void embedding_backward(const Tensor& index, const Tensor& dy, Into dtable) {
    const std::int64_t rows = dtable.tensor.size(0), width = dtable.tensor.size(1);
    check(rows < 1 << 16, "embedding", "expected a table of fewer than 65,536 rows to learn on CUDA, got ", dtable.tensor);
    with_device_dtype("embedding", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<gather_gradients_kernel<T>>(
            {.grid = {blocks_for(width, kThreads), static_cast<unsigned>(rows)}, .block = {kThreads}}, index.data<std::int64_t>(),
            dy.data<T>(), dtable.tensor.data<T>(), dtable.add, width, index.size(0));
    });
}

}    // namespace lull::cuda
