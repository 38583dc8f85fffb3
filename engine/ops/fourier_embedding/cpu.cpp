#include <algorithm>
#include <numbers>
#include <vector>

#include "engine/ops/concat/concat.h"
#include "engine/ops/copy/copy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/fourier_embedding/kernels.h"

namespace lull::cpu {

void fourier_embedding(const Tensor& time, const Tensor& frequencies, Tensor& y) {
    const std::vector<double> times = time.values();
    const auto bad = std::find_if_not(times.begin(), times.end(), [](double t) { return t > 0; });
    check(bad == times.end(), "fourier_embedding", "expected times above 0, as their logarithm is embedded, got ", *bad);
    const Tensor turns = frequencies.to(DType::f64).reshape({1, -1});
    const Tensor phase = log(time.to(DType::f64)).reshape({-1, 1}) * (2 * std::numbers::pi * turns);    // (N, h)
    copy(concat({sin(phase), cos(phase)}, 1), y);
}

}    // namespace lull::cpu
