// Softmax over rows of n, a warp for each. Up to 256 elements, more than a U-Net's attention has keys, stay in registers, 8 a
// lane: a row is read once and written once, the minimum (backward reads y and dy). Longer rows are read again from the cache,
// forward three times and backward twice.
//
// In f32 alone: the operation widens bf16, since backward from a rounded y would be too far off.
#include "engine/cuda/device.h"
#include "engine/ops/softmax/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kRowsPerBlock = kThreads / kWarp, kPerLane = 8;
constexpr std::int64_t kInRegisters = kPerLane * kWarp;

LULL_DEVICE std::int64_t row_of_warp() { return blockIdx.x * static_cast<std::int64_t>(kRowsPerBlock) + warp_of_thread(); }

__global__ void __launch_bounds__(kThreads) softmax_short_kernel(const float* x, float* y, std::int64_t rows, int n) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;    // whole warps leave: no shuffle waits for them
    const float* const from = x + row * n;
    float e[kPerLane], top = -INFINITY, sum = 0;
    for (int k = 0; k < kPerLane; ++k) {
        const int i = k * kWarp + lane_of_thread();
        e[k] = i < n ? from[i] : -INFINITY;
        top = fmaxf(top, e[k]);
    }
    top = warp_max(top);
    for (int k = 0; k < kPerLane; ++k) {
        e[k] = k * kWarp + lane_of_thread() < n ? expf(e[k] - top) : 0;
        sum += e[k];
    }
    const float scale = 1 / warp_sum(sum);
    for (int k = 0; k < kPerLane; ++k) {
        const int i = k * kWarp + lane_of_thread();
        if (i < n) y[row * n + i] = scale * e[k];
    }
}

__global__ void __launch_bounds__(kThreads) softmax_long_kernel(const float* x, float* y, std::int64_t rows, std::int64_t n) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const float* const from = x + row * n;
    float top = -INFINITY, sum = 0;
    for (std::int64_t i = lane_of_thread(); i < n; i += kWarp) top = fmaxf(top, from[i]);
    top = warp_max(top);
    for (std::int64_t i = lane_of_thread(); i < n; i += kWarp) sum += expf(from[i] - top);
    const float scale = 1 / warp_sum(sum);
    for (std::int64_t i = lane_of_thread(); i < n; i += kWarp) y[row * n + i] = scale * expf(from[i] - top);
}

// dx (+)= y (dy - Σ y dy). Registers hold nothing here: what is read twice comes from the nearest cache the second time.
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(const float* y, const float* dy, float* dx, bool add, std::int64_t rows, std::int64_t n) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    float dot = 0;
    for (std::int64_t i = row * n + lane_of_thread(); i < (row + 1) * n; i += kWarp) dot += y[i] * dy[i];
    dot = warp_sum(dot);
    for (std::int64_t i = row * n + lane_of_thread(); i < (row + 1) * n; i += kWarp) {
        const float value = y[i] * (dy[i] - dot);
        dx[i] = add ? dx[i] + value : value;
    }
}

Launch how(std::int64_t rows) { return {.grid = {blocks_for(rows, kRowsPerBlock)}, .block = {kThreads}}; }

}    // namespace

void softmax_forward(const Tensor& x, Tensor y) {
    if (x.elements() == 0) return;
    const std::int64_t n = x.size(-1), rows = x.elements() / n;
    if (n <= kInRegisters)
        launch<softmax_short_kernel>(how(rows), x.data<float>(), y.data<float>(), rows, static_cast<int>(n));
    else
        launch<softmax_long_kernel>(how(rows), x.data<float>(), y.data<float>(), rows, n);
}

void softmax_backward(const Tensor& y, const Tensor& dy, Into dx) {
    if (y.elements() == 0) return;
    const std::int64_t n = y.size(-1), rows = y.elements() / n;
    launch<softmax_backward_kernel>(how(rows), y.data<float>(), dy.data<float>(), dx.tensor.data<float>(), dx.add, rows, n);
}

}    // namespace lull::cuda
