// Noise levels: random ones for training, a descending list for sampling.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "diffusion/named.h"
#include "diffusion/schedule.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace lull {

// How training draws σ is a small value, too:
//     sigma(stream)          one σ > 0, a function of the stream's numbers
//     density(log_sigma)     of ln σ
//     log_normal()           the log-normal distribution with the same mean and standard deviation of ln σ

// ln σ ~ N(mean, std²). The defaults are EDM's (Table 1), for data of standard deviation near 0.5.
struct LogNormal {
    static constexpr std::string_view name = "lognormal";

    double mean = -1.2, std = 1.2;

    double sigma(const RandomStream& stream) const { return std::exp(mean + std * stream.normal()); }
    double density(double log_sigma) const;
    LogNormal log_normal() const { return *this; }
};

// t ~ U(0, 1) of a schedule, kept between the least and the most.
template <class Schedule>
struct UniformTime {
    static constexpr std::string_view name = Schedule::name;

    Schedule schedule = {};
    double least = Schedule::least_time, most = Schedule::most_time;

    double sigma(const RandomStream& stream) const { return schedule.sigma(std::clamp(stream.uniform(), least, most)); }
    double density(double log_sigma) const;    // of times between the two
    LogNormal log_normal() const;
};

template <class Schedule>
double UniformTime<Schedule>::density(double log_sigma) const {
    const auto t = [&](double log_s) { return std::clamp(schedule.t(std::exp(log_s)), least, most); };
    constexpr double h = 1e-3;
    return (t(log_sigma + h) - t(log_sigma - h)) / (2 * h);    // dt / d ln σ
}

template <class Schedule>
LogNormal UniformTime<Schedule>::log_normal() const {
    constexpr int kTimes = 10'000;    // the middles of as many parts of [0, 1]
    double mean = 0, square = 0;
    for (int i = 0; i < kTimes; ++i) {
        const double log_sigma = std::log(schedule.sigma(std::clamp((i + 0.5) / kTimes, least, most)));
        mean += log_sigma / kTimes;
        square += sq(log_sigma) / kTimes;
    }
    return {.mean = mean, .std = std::sqrt(square - sq(mean))};
}

// ln σ ~ U(ln least, ln most): VE's.
struct LogUniform {
    static constexpr std::string_view name = "ve";

    double least = 0.02, most = 100;

    double sigma(const RandomStream& stream) const { return least * std::pow(most / least, stream.uniform()); }
    double density(double log_sigma) const;
    LogNormal log_normal() const;
};

using NoiseDistribution =
    std::variant<LogNormal, UniformTime<CosineSchedule>, UniformTime<LinearSchedule>, UniformTime<VpSchedule>, LogUniform>;

// What each of them has.
double density(const NoiseDistribution& distribution, double log_sigma);
LogNormal log_normal(const NoiseDistribution& distribution);

// Places in the training stream from here on are reached by no training: for noise of images that a model is tested on.
inline constexpr std::uint64_t kBeyondTraining = std::uint64_t{1} << 63;

// One σ per image, (N, 1, 1, 1). positions: the images' places in the training stream, of which each σ is a function, whatever
// the batch.
Tensor draw_sigmas(const NoiseDistribution& distribution, std::uint64_t seed, std::span<const std::uint64_t> positions,
                   DType dtype = DType::f32);

// EDM's grid, equation 5: σ_i = (σ_max^{1/ρ} + i/(steps-1) (σ_min^{1/ρ} - σ_max^{1/ρ}))^ρ for i < steps, then 0: steps + 1
// values, from exactly σ_max over exactly σ_min to 0. One step is {σ_max, 0}. ρ = 1 is linear; the larger, the more steps
// lie at small σ. Throws Error unless steps ≥ 1, 0 < σ_min < σ_max < ∞ and ρ > 0.
std::vector<double> karras_sigmas(int steps, double sigma_min = 0.002, double sigma_max = 80, double rho = 7);

// The lesson's grid: σ of the cosine schedule at t = 1 - 1/n, 1 - 2/n, …, 1/n, and 0: n values. A loop over these n times makes
// n - 1 steps; at the last there is no noise left to take away. Throws Error unless n ≥ 2.
std::vector<double> cosine_sigmas(int n);

}    // namespace lull
