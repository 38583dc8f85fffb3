// Schedules: how much noise there is at a time t, and at which time there is so much.
//
// Everything else in lull speaks σ, for x = y + σ n. Diffusion began with a form in which x keeps its variance,
// x_t = √ᾱ y + √(1-ᾱ) ε with ᾱ = 1/(1+σ²): the same x, scaled, x_t = √ᾱ x (docs/derivations/ddim.md).
//
// A schedule is a small value:
//     sigma(t), t(sigma)                 one rises with the other; t(sigma) also of a Tensor (N, 1, 1, 1)
//     c_noise(sigma)                     what its authors tell the network about σ
//     name                               on the command line
//     least_time, most_time              between which training draws t evenly (not of VE, which draws ln σ evenly)
// and stands in two lists: NoiseDistribution (sigmas.h) and TimeInput (preconditioner.h).
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <string_view>

#include "engine/ops/elementwise/elementwise.h"

namespace lull {

template <class S>
S alpha_bar(const S& sigma) {
    return 1 / (1 + sq(sigma));
}

// f of a number, or of each image's number (N, 1, 1, 1), on the host: they are as few as images.
inline double each(double sigma, const std::function<double(double)>& f) { return f(sigma); }
Tensor each(const Tensor& sigma, const std::function<double(double)>& f);

// ᾱ(t) = cos²(πt/2), 0 ≤ t < 1: fast.ai's lesson 22, after Nichol & Dhariwal 2021 (arXiv 2102.09672). σ(1) is infinite:
// training stops at .999, σ = 637.
struct CosineSchedule {
    static constexpr std::string_view name = "cosine";
    static constexpr double least_time = 0, most_time = 0.999;

    double sigma(double t) const { return std::tan(std::numbers::pi / 2 * t); }
    template <class S>
    S t(const S& sigma) const {
        return each(sigma, [](double s) { return 2 / std::numbers::pi * std::atan(s); });
    }
    template <class S>
    S c_noise(const S& sigma) const {
        return t(sigma);
    }
};

// ᾱ(t) = 1 - t, 0 ≤ t < 1: Chen 2023 (arXiv 2301.10972).
struct LinearSchedule {
    static constexpr std::string_view name = "linear";
    static constexpr double least_time = 0, most_time = 0.999;

    double sigma(double t) const { return std::sqrt(t / (1 - t)); }
    template <class S>
    S t(const S& sigma) const {
        return sq(sigma) * alpha_bar(sigma);
    }
    template <class S>
    S c_noise(const S& sigma) const {
        return t(sigma);
    }
};

// Song et al.'s variance-preserving SDE (arXiv 2011.13456), the "VP" of Karras et al.'s Table 1:
// σ(t) = √(exp(½ β_d t² + β_min t) - 1), 0 ≤ t ≤ 1.
struct VpSchedule {
    static constexpr std::string_view name = "vp";
    static constexpr double least_time = 1e-5, most_time = 1;
    static constexpr double beta_d = 19.9, beta_min = 0.1;

    double sigma(double t) const { return std::sqrt(std::expm1(beta_d / 2 * t * t + beta_min * t)); }
    template <class S>
    S t(const S& sigma) const {
        return each(sigma,
                    [](double s) { return (std::sqrt(sq(beta_min) + 2 * beta_d * std::log1p(s * s)) - beta_min) / beta_d; });
    }
    template <class S>
    S c_noise(const S& sigma) const {
        return 999 * t(sigma);    // (M - 1) t, M = 1000
    }
};

// Their variance-exploding SDE, the "VE" of the same table: σ(t) = √t, t from .02² to 100².
struct VeSchedule {
    static constexpr std::string_view name = "ve";

    double sigma(double t) const { return std::sqrt(t); }
    template <class S>
    S t(const S& sigma) const {
        return sq(sigma);
    }
    template <class S>
    S c_noise(const S& sigma) const {
        using std::log;
        return log(sigma / 2);
    }
};

}    // namespace lull
