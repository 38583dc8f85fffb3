#include "nn/layers/timestep_embedding.h"

#include <cmath>
#include <vector>

#include "engine/ops/concat/concat.h"

namespace lull {

Tensor sinusoidal_embedding(const Tensor& time, int width, const SinusoidOptions& options) {
    check(time.rank() == 1 && time.is_floating(), "sinusoidal_embedding", "expected time (N) floating, got ", time);
    check(width > 0 && width % 2 == 0, "sinusoidal_embedding", "expected an even width, got ", width);
    const int half = width / 2;
    std::vector<double> omega(static_cast<std::size_t>(half));
    for (int i = 0; i < half; ++i)
        omega[static_cast<std::size_t>(i)] = std::pow(options.max_period, -i / (half - options.freq_shift));

    const Tensor frequencies = from_values(omega, {1, half}, time.dtype()).to(time.device());
    const Tensor phase = time.reshape({-1, 1}) * frequencies;    // (N, half)
    return options.flip_sin_to_cos ? concat({cos(phase), sin(phase)}, 1) : concat({sin(phase), cos(phase)}, 1);
}

}    // namespace lull
