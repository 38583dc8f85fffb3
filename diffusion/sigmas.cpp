#include "diffusion/sigmas.h"

namespace lull {

double LogNormal::density(double log_sigma) const {
    return std::exp(-sq((log_sigma - mean) / std) / 2) / (std * std::sqrt(2 * std::numbers::pi));
}

double LogUniform::density(double log_sigma) const {
    const double low = std::log(least), high = std::log(most);
    return log_sigma >= low && log_sigma <= high ? 1 / (high - low) : 0;
}

LogNormal LogUniform::log_normal() const {
    const double low = std::log(least), high = std::log(most);
    return {.mean = (low + high) / 2, .std = (high - low) / std::sqrt(12.0)};
}

double density(const NoiseDistribution& distribution, double log_sigma) {
    return std::visit([&](const auto& levels) { return levels.density(log_sigma); }, distribution);
}

LogNormal log_normal(const NoiseDistribution& distribution) {
    return std::visit([](const auto& levels) { return levels.log_normal(); }, distribution);
}

Tensor draw_sigmas(const NoiseDistribution& distribution, std::uint64_t seed, std::span<const std::uint64_t> positions,
                   DType dtype) {
    std::vector<double> sigmas;
    sigmas.reserve(positions.size());
    for (const std::uint64_t position : positions) {
        const RandomStream stream{seed, Purpose::noise_level, position};
        sigmas.push_back(std::visit([&](const auto& levels) { return levels.sigma(stream); }, distribution));
    }
    return from_values(sigmas, {static_cast<std::int64_t>(sigmas.size()), 1, 1, 1}, dtype);
}

std::vector<double> karras_sigmas(int steps, double sigma_min, double sigma_max, double rho) {
    check(steps >= 1, "karras_sigmas", "expected at least 1 step, got ", steps);
    check(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max), "karras_sigmas",
          "expected 0 < sigma_min < sigma_max, got sigma_min ", sigma_min, " and sigma_max ", sigma_max);
    check(rho > 0 && std::isfinite(rho), "karras_sigmas", "expected rho > 0, got ", rho);

    const double first = std::pow(sigma_max, 1 / rho), last = std::pow(sigma_min, 1 / rho);
    std::vector<double> sigmas;
    for (int i = 0; i < steps; ++i) {
        if (i == 0)
            sigmas.push_back(sigma_max);    // exactly, which pow would not give
        else if (i == steps - 1)
            sigmas.push_back(sigma_min);
        else
            sigmas.push_back(std::pow(first + i / (steps - 1.0) * (last - first), rho));
    }
    sigmas.push_back(0);
    return sigmas;
}

std::vector<double> cosine_sigmas(int n) {
    check(n >= 2, "cosine_sigmas", "expected at least 2 noise levels, got ", n);
    std::vector<double> sigmas;
    for (int i = n - 1; i >= 0; --i) sigmas.push_back(CosineSchedule{}.sigma(static_cast<double>(i) / n));
    return sigmas;
}

}    // namespace lull
