// Batch normalisation is GroupNorm of one image with all the batch's pixels, in groups of one channel, and uses its kernels
// (engine/ops/group_norm/cuda.cu), with the statistics as they are given. The derivation stands in cpu.cpp.
// Bytes moved: x twice and y once forward while training (once each in evaluation); x and dy twice, dx once backward. A pass less
// would need the whole batch on chip.
#include "engine/cuda/device.h"
#include "engine/ops/batch_norm/kernels.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/group_norm/cuda.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 128;

// statistics: (C, 2), mean and 1/√(variance + eps).
__global__ void batch_norm_statistics_kernel(const float* mean, const float* variance, int channels, float eps,
                                             float* statistics) {
    const std::int64_t c = global_thread();
    if (c >= channels) return;
    statistics[2 * c] = mean[c];
    statistics[2 * c + 1] = 1 / sqrtf(variance[c] + eps);
}

Tensor statistics_of(const Tensor& mean, const Tensor& variance, double eps) {
    const std::int64_t C = mean.elements();
    Tensor statistics = empty({1, C, 2}, DType::f32, mean.device());
    launch<batch_norm_statistics_kernel>(one_thread_each(C, kThreads), mean.data<float>(), variance.data<float>(),
                                         static_cast<int>(C), static_cast<float>(eps), statistics.data<float>());
    return statistics;
}

// (N, …, C) as one image (1, pixels, C).
Tensor one_image(const Tensor& x) { return x.detach().reshape({1, x.elements() / x.size(-1), x.size(-1)}); }

GroupNormOptions groups_of_one(const Tensor& x) { return {.groups = static_cast<int>(x.size(-1))}; }

}    // namespace

void batch_norm_statistics(const Tensor& x, Tensor mean, Tensor variance) {
    const std::int64_t C = x.size(-1);
    if (C == 0) return;
    const Tensor moments = empty({1, C, 2}, DType::f32, x.device());
    group_moments({one_image(x), {}, {}, {}}, static_cast<int>(C), moments);
    copy(moments.view({C}, {2}, 0), mean);
    copy(moments.view({C}, {2}, 1), variance);
}

void batch_norm_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& variance,
                        double eps, Tensor y) {
    if (x.elements() == 0) return;
    group_norm_again({one_image(x), {}, {}, {}}, {weight, bias}, groups_of_one(x), statistics_of(mean, variance, eps),
                     one_image(y));
}

void batch_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& variance, double eps,
                         bool of_batch, const Tensor& dy, Into dx, Into dweight, Into dbias) {
    if (x.size(-1) == 0) return;
    group_norm_backward({one_image(x), {}, {}, {}}, {weight, {}}, groups_of_one(x), statistics_of(mean, variance, eps),
                        one_image(dy), {.x = dx, .skip = {}, .weight = dweight, .bias = dbias}, {}, of_batch);
}

}    // namespace lull::cuda
