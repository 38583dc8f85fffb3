// Noise levels: random ones for training, a descending list for sampling.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/tensor.h"

namespace lull {

// ln σ ~ N(mean, std²). The defaults are EDM's (Table 1), for data of standard deviation near 0.5.
struct LogNormal {
    double mean = -1.2, std = 1.2;

    // One σ per image, (N, 1, 1, 1). positions: the images' places in the training stream, of which each σ is a function,
    // whatever the batch.
    Tensor draw(std::uint64_t seed, std::span<const std::uint64_t> positions, DType dtype = DType::f32) const;
};

// EDM's grid, equation 5: σ_i = (σ_max^{1/ρ} + i/(steps-1) (σ_min^{1/ρ} - σ_max^{1/ρ}))^ρ for i < steps, then 0: steps + 1
// values, from exactly σ_max over exactly σ_min to 0. One step is {σ_max, 0}. ρ = 1 is linear; the larger, the more steps
// lie at small σ. Throws Error unless steps ≥ 1, 0 < σ_min < σ_max < ∞ and ρ > 0.
std::vector<double> karras_sigmas(int steps, double sigma_min = 0.002, double sigma_max = 80, double rho = 7);

}    // namespace lull
