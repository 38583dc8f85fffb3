// Sines and cosines of w ln t turns. A thread makes one of each: the turns in f64, of which, once whole turns are taken away, f32
// keeps enough. A batch has a few thousand threads, so that what f64 costs does not show.
// Bytes moved: 8 N h written, the minimum, and the N times and h frequencies read.
#include <numbers>

#include "engine/cuda/device.h"
#include "engine/ops/fourier_embedding/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;

// time: (N), frequencies: (h), y: (N, 2h).
__global__ void __launch_bounds__(kThreads)
    fourier_embedding_kernel(const float* time, const float* frequencies, float* y, int h, std::int64_t n) {
    const std::int64_t i = global_thread();
    if (i >= n) return;
    const std::int64_t row = i / h;
    const int k = static_cast<int>(i % h);
    const double turns = static_cast<double>(frequencies[k]) * ::log(static_cast<double>(time[row]));
    const float phase = static_cast<float>(2 * std::numbers::pi * (turns - ::rint(turns)));
    y[row * 2 * h + k] = sinf(phase);
    y[row * 2 * h + h + k] = cosf(phase);
}

}    // namespace

void fourier_embedding(const Tensor& time, const Tensor& frequencies, Tensor& y) {
    const Tensor t = time.to(DType::f32).contiguous(), w = frequencies.to(DType::f32).contiguous();
    const std::int64_t h = w.size(0), n = t.size(0) * h;
    launch<fourier_embedding_kernel>(one_thread_each(n, kThreads), t.data<float>(), w.data<float>(), y.data<float>(),
                                     static_cast<int>(h), n);
}

}    // namespace lull::cuda
