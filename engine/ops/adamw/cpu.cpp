#include <cmath>

#include "engine/cpu/fold.h"
#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/adamw/kernels.h"

namespace lull::cpu {

void square_sum(const Tensor& grad, Tensor& sum) {
    const std::int64_t n = grad.elements(), chunks = (n + kFoldChunk - 1) / kFoldChunk;
    const float* g = grad.data<float>();
    Tensor partials = empty({chunks}, DType::f64);
    double* partial = partials.data<double>();
    parallel_for(chunks, [&](std::int64_t c) {
        const std::int64_t first = c * kFoldChunk;
        partial[c] = fold(
            std::min(kFoldChunk, n - first), Plus(), [](Wide v) { return hn::Mul(v, v); }, g + first);
    });
    double total = 0;
    for (std::int64_t c = 0; c < chunks; ++c) total += partial[c];
    *sum.data<double>() = total;
}

namespace {

// The buffers at one element.
struct Parameters {
    float* weight;
    const float* grad;
    float *m, *v, *ema;    // ema may be null
};

// w ← (1 - η λ) w,  m ← β₁ m + (1 - β₁) g,  v ← β₂ v + (1 - β₂) g²,
// w ← w - η / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε),  ema ← d ema + (1 - d) w        (Loshchilov & Hutter 2019, algorithm 2)
// n elements; a product of 36 bytes of memory traffic each, which is what it costs.
void update(std::int64_t n, const Parameters& at, const AdamWStep& step, double gradient_factor, double weight_decay) {
    using V = Vec<float>;
    const auto constant = [](double value) { return hn::Set(Tag<float>(), static_cast<float>(value)); };
    const V keep = constant(1 - step.learning_rate * weight_decay), factor = constant(gradient_factor);
    const V one_minus_beta1 = constant(1 - step.beta1), one_minus_beta2 = constant(1 - step.beta2), beta2 = constant(step.beta2);
    const V rate = constant(step.learning_rate / (1 - step.beta1_power));
    const V root_correction = constant(std::sqrt(1 - step.beta2_power)), eps = constant(step.eps);
    const V one_minus_decay = constant(1 - step.ema_decay);
    for_each_vector<float>(n, [&](std::int64_t i, auto lane) {
        const V g = hn::Mul(lane.load(at.grad + i), factor);
        V m = lane.load(at.m + i);
        m = hn::MulAdd(one_minus_beta1, hn::Sub(g, m), m);
        const V v = hn::MulAdd(beta2, lane.load(at.v + i), hn::Mul(one_minus_beta2, hn::Mul(g, g)));
        const V denominator = hn::Add(hn::Div(hn::Sqrt(v), root_correction), eps);
        const V w = hn::NegMulAdd(rate, hn::Div(m, denominator), hn::Mul(keep, lane.load(at.weight + i)));
        lane.store(m, at.m + i);
        lane.store(v, at.v + i);
        lane.store(w, at.weight + i);
        if (at.ema) {
            const V average = lane.load(at.ema + i);
            lane.store(hn::MulAdd(one_minus_decay, hn::Sub(w, average), average), at.ema + i);
        }
    });
}

}    // namespace

void adamw_update(Tensor& weights, const Tensor& grad, Tensor& first_moment, Tensor& second_moment, Tensor& ema,
                  const Tensor& square_sum, const Tensor& loss, const AdamWStep& step) {
    constexpr std::int64_t kGrain = 1 << 14;
    const double factor = gradient_factor(*square_sum.data<double>(), step.gradient_scale, step.max_norm);
    if (std::isnan(factor) || (loss.defined() && !std::isfinite(*loss.data<float>()))) return;
    const Parameters all{weights.data<float>(), grad.data<float>(), first_moment.data<float>(), second_moment.data<float>(),
                         ema.defined() ? ema.data<float>() : nullptr};
    const auto run = [&](std::int64_t begin, std::int64_t end, double weight_decay) {
        if (begin >= end) return;
        const Parameters at{all.weight + begin, all.grad + begin, all.m + begin, all.v + begin,
                            all.ema ? all.ema + begin : nullptr};
        update(end - begin, at, step, factor, weight_decay);
    };
    parallel_ranges(weights.elements(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        run(begin, std::min(end, step.decayed), step.weight_decay);
        run(std::max(begin, step.decayed), end, 0);
    });
}

}    // namespace lull::cpu
