// How the noise level enters a network.
#pragma once

#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/fourier_embedding/fourier_embedding.h"
#include "nn/layers/linear.h"

namespace lull {

struct SinusoidOptions {
    bool flip_sin_to_cos = true;    // [cos, sin], as in the lesson; otherwise [sin, cos]
    double freq_shift = 0;
    double max_period = 10000;
};

// Positional encoding (Vaswani et al. 2017, section 3.5) of a number: cosines and sines of t ω_i,
// ω_i = max_period^(-i / (h - freq_shift)), i = 0 … h-1, h = width / 2. time: (N) floating → (N, width); width is even.
Tensor sinusoidal_embedding(const Tensor& time, int width, const SinusoidOptions& options = {});

// The frequencies of fourier_embedding, as a layer: fixed numbers that are saved with the weights. Drawn from N(0, 16²)
// (nn/init.h).
struct GaussianFourierProjection {
    static constexpr bool keeps_type = true;    // rounded to bf16, the highest frequencies would be others

    Tensor weight;    // (h)

    GaussianFourierProjection() = default;
    explicit GaussianFourierProjection(int half) : weight(zeros({half})) {}

    Tensor operator()(const Tensor& time) const { return fourier_embedding(time, weight); }

    template <class V>
    void visit(V& v) {
        v("weight", weight);
    }
};

// linear_2(SiLU(linear_1(x))). x: (N, in) → (N, out).
struct TimestepEmbedding {
    Linear linear_1, linear_2;

    TimestepEmbedding() = default;
    TimestepEmbedding(int in, int out) : linear_1(in, out), linear_2(out, out) {}

    Tensor operator()(const Tensor& x) const { return linear_2(silu(linear_1(x))); }

    template <class V>
    void visit(V& v) {
        v("linear_1", linear_1);
        v("linear_2", linear_2);
    }
};

}    // namespace lull
