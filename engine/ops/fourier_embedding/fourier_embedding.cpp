#include "engine/ops/fourier_embedding/fourier_embedding.h"

#include "engine/ops/fourier_embedding/kernels.h"

namespace lull {

Tensor fourier_embedding(const Tensor& time, const Tensor& frequencies) {
    check(time.rank() == 1 && time.is_floating(), "fourier_embedding", "expected time (N) floating, got ", time);
    check(frequencies.rank() == 1, "fourier_embedding", "expected frequencies (h), got ", frequencies);
    Tensor y = empty({time.size(0), 2 * frequencies.size(0)}, DType::f32, time.device());
    dispatch(time, cpu::fourier_embedding, cuda::fourier_embedding)(time.detach(), frequencies.detach(), y);
    return y;
}

}    // namespace lull
