#include "diffusion/sigmas.h"

#include <cmath>

#include "engine/random.h"

namespace lull {

Tensor LogNormal::draw(std::uint64_t seed, std::span<const std::uint64_t> positions, DType dtype) const {
    std::vector<double> sigmas;
    sigmas.reserve(positions.size());
    for (const std::uint64_t position : positions) {
        sigmas.push_back(std::exp(mean + std * RandomStream{seed, Purpose::noise_level, position}.normal()));
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

}    // namespace lull
