// sum[j] = Σ_i x[i][j] in two passes: every block adds up a share of the rows, a second launch adds the blocks' partial sums.
// Bytes moved: x once, the minimum; the partial sums, at most 256 for a column, are small beside it.
//
// A block's threads form a (lanes, columns) rectangle, so that a warp reads consecutive memory however narrow x is: with one
// column all 256 threads are lanes. Each adds every lanes-th row of its share; the lanes' sums are added in order.
#include "engine/cuda/column_sum.h"

#include <algorithm>

#include "engine/cuda/packs.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kMaxColumns = 32;
constexpr std::int64_t kMaxPartials = 256, kRowsPerPartial = 64;

// kRun columns for each thread.
template <int kRun>
struct LaneSums {
    float at[kThreads][kRun];
};

// x: (rows, n), partials: (gridDim.y, n), to which gridDim.y shares of the rows are added up. columns: of threads, a power of
// two; `runs` of kRun columns make n.
template <class T, class Out, int kRun>
__global__ void __launch_bounds__(kThreads)
    column_sum_kernel(const T* x, Out* partials, std::int64_t rows, std::int64_t runs, int columns, bool add) {
    LaneSums<kRun>& shared = shared_memory<LaneSums<kRun>>();
    const int thread = static_cast<int>(threadIdx.x), lanes = kThreads / columns;
    const int lane = thread / columns;
    const std::int64_t run = blockIdx.x * static_cast<std::int64_t>(columns) + thread % columns;
    const std::int64_t begin = rows * blockIdx.y / gridDim.y, end = rows * (blockIdx.y + 1) / gridDim.y;

    float sum[kRun] = {};
    if (run < runs) {
        for (std::int64_t row = begin + lane; row < end; row += lanes) {
            const Pack<T, kRun> values = load_pack<kRun>(x + (row * runs + run) * kRun);
            for (int i = 0; i < kRun; ++i) sum[i] += to_float(values.at[i]);
        }
    }
    for (int i = 0; i < kRun; ++i) shared.at[thread][i] = sum[i];
    sync_block();
    if (lane > 0 || run >= runs) return;
    for (int other = 1; other < lanes; ++other)
        for (int i = 0; i < kRun; ++i) sum[i] += shared.at[other * columns + thread][i];
    Out* const to = partials + (blockIdx.y * runs + run) * kRun;
    for (int i = 0; i < kRun; ++i) to[i] = from_float<Out>(add ? to_float(to[i]) + sum[i] : sum[i]);
}

template <int kRun, class T, class Out>
void add_rows(const T* x, Out* partials, std::int64_t count, std::int64_t rows, std::int64_t n, bool add) {
    const std::int64_t runs = n / kRun;
    int columns = 1;
    while (columns < kMaxColumns && columns < runs) columns *= 2;
    launch<column_sum_kernel<T, Out, kRun>>({.grid = {blocks_for(runs, columns), static_cast<unsigned>(count)},
                                             .block = {kThreads},
                                             .shared_bytes = sizeof(LaneSums<kRun>)},
                                            x, partials, rows, runs, columns, add);
}

}    // namespace

void column_sum(const Tensor& x, Into sum) {
    const std::int64_t n = x.size(-1);
    if (n == 0) return;
    const std::int64_t rows = x.elements() / n, count = std::clamp<std::int64_t>(rows / kRowsPerPartial, 1, kMaxPartials);
    Tensor partials = empty({count, n}, DType::f32, Device::cuda);
    float* const partial_data = partials.data<float>();
    with_packs("column_sum", {x}, [&]<class T, int V>(T, std::integral_constant<int, V>) {
        add_rows<V>(x.data<T>(), partial_data, count, rows, n, false);
    });
    with_device_dtype("column_sum", sum.tensor.dtype(), [&](auto type) {
        using Out = decltype(type);
        add_rows<1>(static_cast<const float*>(partial_data), sum.tensor.data<Out>(), 1, count, n, sum.add);
    });
}

}    // namespace lull::cuda
