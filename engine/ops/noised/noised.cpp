#include "engine/ops/noised/noised.h"

#include "engine/ops/bf16.h"
#include "engine/ops/noised/kernels.h"

namespace lull {

NoisedImages noised(const Tensor& y, std::span<const RandomStream> streams, const Tensor& factors, double mean) {
    check(y.rank() >= 1 && y.is_floating() && y.size(0) == static_cast<std::int64_t>(streams.size()), "noised",
          "expected images (N, …), floating, and N streams, got ", y, " and ", streams.size());
    check(factors.shape() == Shape{y.size(0), 4} && factors.dtype() == DType::f32, "noised", "expected factors f32 (", y.size(0),
          ", 4), got ", factors);
    if (widens(y)) {
        const auto [input, target] = noised(wide(y), streams, factors, mean);
        return {rounded(input), rounded(target)};
    }
    const Tensor clean = y.detach().contiguous();
    NoisedImages result{empty_like(clean), empty_like(clean)};
    dispatch(y, cpu::noise_images, cuda::noise_images)(clean, streams, factors.contiguous(), mean, result.input, result.target);
    return result;
}

}    // namespace lull
