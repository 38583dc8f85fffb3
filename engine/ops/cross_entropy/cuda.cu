// Cross-entropy of a softmax: a warp for each row, which a classifier's few classes leave in the nearest cache between the
// passes over them; then one block adds up the rows' losses, in an order that their number decides. logits: (N, K), f32 or
// bf16; sums and the loss are f32. Bytes moved: the logits once forward; them and their gradient once backward, the minimum.
#include "engine/cuda/device.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/cross_entropy/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kRowsPerBlock = kThreads / kWarp;

struct Shared {
    float partial[kThreads / kWarp];
};

template <class T>
LULL_DEVICE float largest(const T* row, std::int64_t n) {
    float top = -INFINITY;
    for (std::int64_t i = lane_of_thread(); i < n; i += kWarp) top = fmaxf(top, to_float(row[i]));
    return warp_max(top);
}

// losses[row] = ln Σ e^{x - top} + top - x[label], and NaN where there is no such label.
template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_rows_kernel(const T* logits, const std::int64_t* labels, std::int64_t rows, std::int64_t classes, float* sums,
                              float* losses) {
    const std::int64_t row = blockIdx.x * static_cast<std::int64_t>(kRowsPerBlock) + warp_of_thread();
    if (row >= rows) return;    // whole warps leave
    const T* const x = logits + row * classes;
    const float top = largest(x, classes);
    float sum = 0;
    for (std::int64_t i = lane_of_thread(); i < classes; i += kWarp) sum += expf(to_float(x[i]) - top);
    sum = warp_sum(sum);
    if (lane_of_thread() > 0) return;
    const std::int64_t label = labels[row];
    sums[row] = sum;
    losses[row] = label >= 0 && label < classes ? logf(sum) + (top - to_float(x[label])) : NAN;
}

// One block. The first label out of range is noted.
__global__ void __launch_bounds__(kThreads)
    cross_entropy_mean_kernel(const float* losses, const std::int64_t* labels, std::int64_t rows, std::int64_t classes,
                              float* loss, BadIndex wrong, BadIndex* noted) {
    float sum = 0;
    for (std::int64_t row = threadIdx.x; row < rows; row += kThreads) sum += losses[row];
    sum = block_sum(sum, shared_memory<Shared>().partial);
    if (threadIdx.x > 0) return;
    *loss = sum / static_cast<float>(rows);
    if (sum == sum) return;
    for (std::int64_t row = 0; row < rows; ++row) {
        if (labels[row] >= 0 && labels[row] < classes) continue;
        wrong.index = labels[row];
        wrong.row = row;
        *noted = wrong;
        return;
    }
}

// dlogits (+)= dloss (e^{x - top} / sum - [label]) / N.
template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_backward_kernel(const T* logits, const std::int64_t* labels, const float* sums, const float* dloss,
                                  std::int64_t rows, std::int64_t classes, T* dlogits, bool add) {
    const std::int64_t row = blockIdx.x * static_cast<std::int64_t>(kRowsPerBlock) + warp_of_thread();
    if (row >= rows) return;
    const T* const x = logits + row * classes;
    T* const dx = dlogits + row * classes;
    const float top = largest(x, classes), share = *dloss / static_cast<float>(rows), scale = share / sums[row];
    for (std::int64_t i = lane_of_thread(); i < classes; i += kWarp) {
        const float value = scale * expf(to_float(x[i]) - top) - (i == labels[row] ? share : 0);
        dx[i] = from_float<T>(add ? to_float(dx[i]) + value : value);
    }
}

Launch how(std::int64_t rows) { return {.grid = {blocks_for(rows, kRowsPerBlock)}, .block = {kThreads}}; }

}    // namespace

void cross_entropy_forward(const Tensor& logits, const Tensor& labels, Tensor sums, Tensor loss) {
    const std::int64_t rows = logits.size(0), classes = logits.size(1);
    Tensor losses = empty_like(sums);
    with_device_dtype("cross_entropy", logits.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<cross_entropy_rows_kernel<T>>(how(rows), logits.data<T>(), labels.data<std::int64_t>(), rows, classes,
                                             sums.data<float>(), losses.data<float>());
    });
    launch<cross_entropy_mean_kernel>({.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(Shared)}, losses.data<float>(),
                                      labels.data<std::int64_t>(), rows, classes, loss.data<float>(),
                                      BadIndex{.where = "cross_entropy", .what = "labels", .limit = classes}, bad_index());
}

void cross_entropy_backward(const Tensor& logits, const Tensor& labels, const Tensor& sums, const Tensor& dloss, Into dlogits) {
    const std::int64_t rows = logits.size(0), classes = logits.size(1);
    with_device_dtype("cross_entropy", logits.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<cross_entropy_backward_kernel<T>>(how(rows), logits.data<T>(), labels.data<std::int64_t>(), sums.data<float>(),
                                                 dloss.data<float>(), rows, classes, dlogits.tensor.data<T>(), dlogits.add);
    });
}

}    // namespace lull::cuda
