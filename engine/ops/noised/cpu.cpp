#include "engine/cpu/parallel.h"
#include "engine/ops/noised/kernels.h"

namespace lull::cpu {

void noise_images(const Tensor& y, std::span<const RandomStream> streams, const Tensor& factors, double mean, Tensor& input,
                  Tensor& target) {
    if (y.elements() == 0) return;
    check(y.dtype() == DType::f32, "noised", "expected images of f32, got ", y);
    Tensor noise = empty_like(y);
    fill_normal(noise, streams);
    const std::int64_t length = y.elements() / y.size(0);
    const float* clean = y.data<float>();
    const float* n = noise.data<float>();
    const float* factor = factors.data<float>();    // (N, 4)
    float* in = input.data<float>();
    float* wanted = target.data<float>();
    parallel_for(y.size(0), [&](std::int64_t image) {
        const float* const f = factor + 4 * image;
        const float middle = static_cast<float>(mean);
        for (std::int64_t i = image * length; i < (image + 1) * length; ++i) {
            const float centred = clean[i] - middle;
            in[i] = f[0] * centred + f[1] * n[i];
            wanted[i] = f[2] * centred + f[3] * n[i];
        }
    });
}

}    // namespace lull::cpu
