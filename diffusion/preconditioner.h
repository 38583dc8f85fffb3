// Preconditioning: what stands between a network F and the denoiser D(x; σ) = c_skip x + c_out F(c_in x; c_noise).
#pragma once

#include <cmath>

#include "engine/ops/elementwise/elementwise.h"

namespace lull {

// What the network is told about σ: ¼ ln σ as in the paper, or σ itself as in the course.
enum class TimeInput { quarter_log_sigma, sigma };

// EDM: Table 1 of Karras et al. 2022 (arXiv 2206.00364). Network input and target have unit variance at every noise level.
// S: double, or a Tensor (N, 1, 1, 1) of each image's own σ. σ is in units of the data's range: σ_data is the standard
// deviation of the training images about their mean.
// With `mean` set to the data's mean the formulas act on x - mean and D - mean, and the variances are exactly 1; with 0, as
// in the paper and the course, the images' mean stays in them (standard deviations 1.02 and 1.03 on Fashion-MNIST).
struct EdmPreconditioner {
    double sigma_data = 0.5;
    double mean = 0;
    TimeInput time_input = TimeInput::quarter_log_sigma;

    template <class S>
    S c_skip(const S& sigma) const {
        return sq(sigma_data) / (sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S c_out(const S& sigma) const {
        using std::sqrt;
        return sigma * sigma_data / sqrt(sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S c_in(const S& sigma) const {
        using std::sqrt;
        return 1 / sqrt(sq(sigma) + sq(sigma_data));
    }
    template <class S>
    S c_noise(const S& sigma) const {
        using std::log;
        return time_input == TimeInput::sigma ? sigma : log(sigma) / 4;
    }
    // λ: with λ c_out² = 1 every noise level costs the same at first.
    template <class S>
    S weight(const S& sigma) const {
        return 1 / sq(c_out(sigma));
    }
};

}    // namespace lull
