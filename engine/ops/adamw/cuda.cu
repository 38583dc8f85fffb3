// The optimizer's step: clipping, AdamW and the moving average in one pass over the flat buffers.
//
// Bytes moved, per parameter: 4 for the sum of squares (the gradient read once), and 36 for the update (gradient, both moments,
// weight and average read, all but the gradient written), the minimum without a norm that would be known before. Whether
// the step is made at all, and by how much the gradient is scaled down, is decided on the device: nothing is read back.
//
// The sum of squares is f64, as on the CPU: squares of large gradients leave f32's range. A block sums 16,384 elements, a second
// kernel the blocks' sums: an order that the length alone decides.
#include "engine/cuda/packs.h"
#include "engine/ops/adamw/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = 1 << 14;
constexpr int kVector = Pack<float>::size;

struct WarpSums {
    double of_warp[kThreads / kWarp];
};

// Over a block of kThreads, the result in thread 0.
LULL_DEVICE double sum_over_block(double v) {
    auto& sums = shared_memory<WarpSums>();
    for (int distance = kWarp / 2; distance > 0; distance /= 2) v += shuffle_xor(v, distance);
    if (lane_of_thread() == 0) sums.of_warp[warp_of_thread()] = v;
    sync_block();
    double sum = 0;
    for (int warp = 0; warp < kThreads / kWarp; ++warp) sum += sums.of_warp[warp];
    return sum;
}

LULL_DEVICE double square(float x) { return static_cast<double>(x) * x; }

// partials[b] ← Σ g² over chunk b. grad: (n), of which chunk b is [kChunk b, kChunk (b + 1)).
__global__ void square_sum_kernel(const float* grad, double* partials, std::int64_t n, bool aligned) {
    const std::int64_t begin = blockIdx.x * kChunk, end = begin + kChunk < n ? begin + kChunk : n;
    double sum = 0;
    for (std::int64_t i = begin + kVector * threadIdx.x; i < end; i += kVector * kThreads) {
        if (aligned && i + kVector <= end) {
            const Pack<float> g = load16(grad + i);
            for (int k = 0; k < kVector; ++k) sum += square(g.at[k]);
        } else {
            for (std::int64_t j = i; j < end && j < i + kVector; ++j) sum += square(grad[j]);
        }
    }
    sum = sum_over_block(sum);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// sum ← Σ partials, one block.
__global__ void partials_sum_kernel(const double* partials, double* total, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += partials[i];
    sum = sum_over_block(sum);
    if (threadIdx.x == 0) *total = sum;
}

// An AdamWStep as the kernel uses it.
struct Numbers {
    float keep;    // 1 - η λ: what weight decay leaves
    float one_minus_beta1, beta2, one_minus_beta2;
    float rate, root_correction, eps;    // η / (1 - β₁ᵗ), √(1 - β₂ᵗ), ε
    float one_minus_decay;
    std::int64_t decayed;
    double gradient_scale, max_norm;
};

// (n) each; ema may be null.
struct Buffers {
    float* weights;
    const float* grad;
    float *m, *v, *ema;
};

// All five at one element; the formulas stand in cpu.cpp.
LULL_DEVICE void update(const Numbers& numbers, float factor, bool decayed, float g, float& w, float& m, float& v, float& ema) {
    g *= factor;
    m = fmaf(numbers.one_minus_beta1, g - m, m);
    v = fmaf(numbers.beta2, v, numbers.one_minus_beta2 * (g * g));
    const float denominator = sqrtf(v) / numbers.root_correction + numbers.eps;
    w = fmaf(-numbers.rate, m / denominator, decayed ? numbers.keep * w : w);
    ema = fmaf(numbers.one_minus_decay, w - ema, ema);
}

struct Factor {
    float value;    // what the gradient is multiplied by; NaN: no step
};

// square_sum, loss: scalars; loss may be null. A thread takes 16 bytes of each buffer. The factor takes a root in f64: one
// thread of a block draws it.
__global__ void adamw_kernel(Buffers at, const double* square_sum, const float* loss, Numbers numbers, std::int64_t n,
                             bool aligned) {
    auto& factor = shared_memory<Factor>();
    if (threadIdx.x == 0) {
        factor.value = static_cast<float>(gradient_factor(*square_sum, numbers.gradient_scale, numbers.max_norm));
        if (loss && !(fabsf(*loss) < HUGE_VALF)) factor.value = NAN;
    }
    sync_block();
    if (!(factor.value < HUGE_VALF)) return;
    const std::int64_t first = kVector * global_thread();
    if (aligned && first + kVector <= n) {
        const Pack<float> g = load16(at.grad + first);
        Pack<float> w = load16(at.weights + first), m = load16(at.m + first), v = load16(at.v + first);
        Pack<float> ema = at.ema ? load16(at.ema + first) : Pack<float>();
        for (int k = 0; k < kVector; ++k)
            update(numbers, factor.value, first + k < numbers.decayed, g.at[k], w.at[k], m.at[k], v.at[k], ema.at[k]);
        store16(at.m + first, m);
        store16(at.v + first, v);
        store16(at.weights + first, w);
        if (at.ema) store16(at.ema + first, ema);
    } else {
        for (std::int64_t i = first; i < n && i < first + kVector; ++i) {
            float none = 0;
            update(numbers, factor.value, i < numbers.decayed, at.grad[i], at.weights[i], at.m[i], at.v[i],
                   at.ema ? at.ema[i] : none);
        }
    }
}

float f32(double value) { return static_cast<float>(value); }

}    // namespace

void square_sum(const Tensor& grad, Tensor& sum) {
    const std::int64_t n = grad.elements(), chunks = (n + kChunk - 1) / kChunk;
    Tensor partials = empty({chunks}, DType::f64, Device::cuda);
    launch<square_sum_kernel>({.grid = {blocks_for(n, kChunk)}, .block = {kThreads}, .shared_bytes = sizeof(WarpSums)},
                              grad.data<float>(), partials.data<double>(), n, is_aligned(grad));
    launch<partials_sum_kernel>({.grid = {1}, .block = {kThreads}, .shared_bytes = sizeof(WarpSums)}, partials.data<double>(),
                                sum.data<double>(), chunks);
}

void adamw_update(Tensor& weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                  const Tensor& square_sum, const Tensor& loss, const AdamWStep& step) {
    const Numbers numbers{.keep = f32(1 - step.learning_rate * step.weight_decay),
                          .one_minus_beta1 = f32(1 - step.beta1),
                          .beta2 = f32(step.beta2),
                          .one_minus_beta2 = f32(1 - step.beta2),
                          .rate = f32(step.learning_rate / (1 - step.beta1_power)),
                          .root_correction = f32(::sqrt(1 - step.beta2_power)),
                          .eps = f32(step.eps),
                          .one_minus_decay = f32(1 - step.ema_decay),
                          .decayed = step.decayed,
                          .gradient_scale = step.gradient_scale,
                          .max_norm = step.max_norm};
    const Buffers at{weights.data<float>(), grad.data<float>(), first_moment.data<float>(), second_moment.data<float>(),
                     ema.defined() ? ema.data<float>() : nullptr};
    const bool aligned =
        is_aligned(at.weights) && is_aligned(at.grad) && is_aligned(at.m) && is_aligned(at.v) && is_aligned(at.ema);
    const std::int64_t n = weights.elements();
    launch<adamw_kernel>({.grid = {blocks_for(n, kVector * kThreads)}, .block = {kThreads}, .shared_bytes = sizeof(Factor)}, at,
                         square_sum.data<double>(), loss.defined() ? loss.data<float>() : nullptr, numbers, n, aligned);
}

}    // namespace lull::cuda
