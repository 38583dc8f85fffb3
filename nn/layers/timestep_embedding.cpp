#include "nn/layers/timestep_embedding.h"

#include <algorithm>
#include <cmath>
#include <numbers>
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

Tensor fourier_embedding(const Tensor& time, const Tensor& frequencies) {
    check(time.rank() == 1 && time.is_floating(), "fourier_embedding", "expected time (N) floating, got ", time);
    check(frequencies.rank() == 1, "fourier_embedding", "expected frequencies (h), got ", frequencies);
    const std::vector<double> times = time.values();
    const auto bad = std::find_if_not(times.begin(), times.end(), [](double t) { return t > 0; });
    check(bad == times.end(), "fourier_embedding", "expected times above 0, as their logarithm is embedded, got ", *bad);
    // CUDA's kernels know no f64: the phases are computed on the CPU, which has waited for the times anyhow.
    const auto here = [](const Tensor& x) { return x.to(Device::cpu).to(DType::f64); };
    const Tensor turns = here(frequencies.detach()).reshape({1, -1});
    const Tensor phase = log(here(time)).reshape({-1, 1}) * (2 * std::numbers::pi * turns);    // (N, h)
    return concat({sin(phase), cos(phase)}, 1).to(DType::f32).to(time.device());
}

}    // namespace lull
