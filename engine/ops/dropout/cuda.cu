// Dropout: an element is kept, and scaled by 1 / (1 - p), when its random integer is at least p·2³², else zero. Backward is the
// same with dy for x: the mask is drawn again, not stored.
//
// Bytes moved: x read once and y written once, the minimum. A thread takes one block of Philox, four elements of an image.
#include <cmath>

#include "engine/cuda/device.h"
#include "engine/cuda/uploaded.h"
#include "engine/ops/dropout/kernels.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kPerBlock = 4;

// x, y: (N, length); an image has `blocks` threads.
template <class T>
__global__ void dropout_kernel(const T* x, const RandomStream* streams, T* y, bool add, std::uint64_t threshold, float scale,
                               std::int64_t length, std::int64_t blocks, std::int64_t threads) {
    const std::int64_t thread = global_thread();
    if (thread >= threads) return;
    const std::int64_t n = thread / blocks, block = thread % blocks;
    const PhiloxWords bits = streams[n].words(static_cast<std::uint32_t>(block));
    for (int k = 0; k < kPerBlock; ++k) {
        const std::int64_t i = kPerBlock * block + k, at = n * length + i;
        if (i >= length) return;
        const float kept = bits.at[k] >= threshold ? to_float(x[at]) * scale : 0;
        y[at] = from_float<T>(add ? to_float(y[at]) + kept : kept);
    }
}

}    // namespace

void dropout_forward(const Tensor& x, double p, std::span<const RandomStream> streams, Into y) {
    if (x.elements() == 0) return;
    const Uploaded<RandomStream> keys(streams);
    const std::int64_t length = x.elements() / x.size(0), blocks = (length + kPerBlock - 1) / kPerBlock;
    const std::int64_t threads = x.size(0) * blocks;
    with_device_dtype("dropout", x.dtype(), [&](auto type) {
        using T = decltype(type);
        launch<dropout_kernel<T>>(one_thread_each(threads, kThreads), x.data<T>(), keys.data(), y.tensor.data<T>(), y.add,
                                  static_cast<std::uint64_t>(std::ceil(p * 0x1p32)), static_cast<float>(1 / (1 - p)), length,
                                  blocks, threads);
    });
}

}    // namespace lull::cuda
