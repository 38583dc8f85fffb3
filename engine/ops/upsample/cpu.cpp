#include <algorithm>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/upsample/kernels.h"

namespace lull::cpu {

// Rows of pixels are independent, in all images: parallel over (N, H).
void upsample_forward(const Tensor& x, int factor, Tensor& y) {
    with_compute_dtype("upsample_nearest", x.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t width = x.size(2), channels = x.size(3), row = factor * width * channels;    // of y
        parallel_for(x.size(0) * x.size(1), [&](std::int64_t r) {
            const T* from = x.data<T>() + r * width * channels;
            T* first = y.data<T>() + r * factor * row;
            for (std::int64_t w = 0; w < factor * width; ++w)
                std::copy_n(from + w / factor * channels, channels, first + w * channels);
            for (int copy = 1; copy < factor; ++copy) std::copy_n(first, row, first + copy * row);
        });
    });
}

void upsample_backward(const Tensor& dy, int factor, Into dx) {
    with_compute_dtype("upsample_nearest", dy.dtype(), [&](auto type) {
        using T = decltype(type);
        const std::int64_t width = dx.tensor.size(2), channels = dx.tensor.size(3), row = factor * width * channels;
        parallel_for(dx.tensor.size(0) * dx.tensor.size(1), [&](std::int64_t r) {
            for (std::int64_t w = 0; w < width; ++w) {
                const T* from = dy.data<T>() + r * factor * row + w * factor * channels;
                T* to = dx.tensor.data<T>() + (r * width + w) * channels;
                for_each_vector<T>(channels, [&](std::int64_t c, auto lane) {
                    Vec<T> sum = lane.load(from + c);
                    for (int k = 1; k < factor * factor; ++k)
                        sum = hn::Add(sum, lane.load(from + k / factor * row + k % factor * channels + c));
                    lane.store(dx.add ? hn::Add(lane.load(to + c), sum) : sum, to + c);
                });
            }
        });
    });
}

}    // namespace lull::cpu
