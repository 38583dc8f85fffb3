#include "engine/cpu/upsample.h"

#include "engine/cpu/parallel.h"
#include "engine/ops/upsample/kernels.h"

namespace lull::cpu {

// Rows of pixels are independent, in all images: parallel over (N, H).
void upsample_forward(const Tensor& x, int factor, Tensor& y) {
    with_compute_dtype("upsample_nearest", x.dtype(), [&]<class T>(T) {
        const std::int64_t width = x.size(2), channels = x.size(3), row = width * channels;
        parallel_for(x.size(0) * x.size(1), [&](std::int64_t r) {
            upsample_row(x.data<T>() + r * row, width, channels, factor, y.data<T>() + r * factor * factor * row);
        });
    });
}

void upsample_backward(const Tensor& dy, int factor, Into dx) {
    with_compute_dtype("upsample_nearest", dy.dtype(), [&]<class T>(T) {
        const std::int64_t width = dx.tensor.size(2), channels = dx.tensor.size(3), row = width * channels;
        parallel_for(dx.tensor.size(0) * dx.tensor.size(1), [&](std::int64_t r) {
            upsample_row_backward(dy.data<T>() + r * factor * factor * row, width, channels, factor,
                                  dx.tensor.data<T>() + r * row, dx.add);
        });
    });
}

}    // namespace lull::cpu
