// A model whose denoiser is known exactly, for tests of samplers.
#pragma once

#include "diffusion/gaussian_mixture.h"

namespace lull::test {

// Two kinds of images (2, 3, 1): six elements.
inline const Shape kMixtureImage{2, 3, 1};
inline const GaussianMixture& mixture() {
    static const GaussianMixture mixture({{.weight = 0.6, .mean = {1, 0, -1, 0.5, 0.2, 0}, .std = 0.3},
                                          {.weight = 0.4, .mean = {-1, 0.3, 0.4, -0.5, 0, 1}, .std = 0.1}});
    return mixture;
}

}    // namespace lull::test
