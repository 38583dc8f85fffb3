// Noise drawn, added and preconditioned in one pass: what a denoiser is shown and what it should answer.
//
// Bytes moved: the images read once, input and target written once, the minimum; the noise never leaves the registers. A thread
// makes one block of Philox, four elements of an image.
#include "engine/cuda/device.h"
#include "engine/cuda/uploaded.h"
#include "engine/ops/noised/kernels.h"
#include "engine/ops/random/normal.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kPerBlock = 4;

// y, input, target: (N, length); factors: (N, 4). An image has `blocks` threads. aligned: every block of theirs begins at a
// multiple of its size.
template <class T>
__global__ void noise_images_kernel(const T* y, const RandomStream* streams, const float* factors, float mean, T* input,
                                    T* target, std::int64_t length, std::int64_t blocks, std::int64_t threads, bool aligned) {
    const std::int64_t thread = global_thread();
    if (thread >= threads) return;
    const std::int64_t n = thread / blocks, block = thread % blocks, at = n * length + kPerBlock * block;
    float noise[kPerBlock];
    normal_numbers(streams[n].words(static_cast<std::uint32_t>(block)), noise);
    const float factor[] = {factors[4 * n], factors[4 * n + 1], factors[4 * n + 2], factors[4 * n + 3]};
    const auto mixed = [&](T clean, int k, int which) {
        return from_float<T>(factor[which] * (to_float(clean) - mean) + factor[which + 1] * noise[k]);
    };
    if (aligned && kPerBlock * (block + 1) <= length) {
        const auto clean = load_pack<kPerBlock>(y + at);
        Pack<T, kPerBlock> in, wanted;
        for (int k = 0; k < kPerBlock; ++k) {
            in.at[k] = mixed(clean.at[k], k, 0);
            wanted.at[k] = mixed(clean.at[k], k, 2);
        }
        store_pack(input + at, in);
        store_pack(target + at, wanted);
    } else {
        for (int k = 0; k < kPerBlock; ++k) {
            if (kPerBlock * block + k >= length) return;
            input[at + k] = mixed(y[at + k], k, 0);
            target[at + k] = mixed(y[at + k], k, 2);
        }
    }
}

}    // namespace

void noise_images(const Tensor& y, std::span<const RandomStream> streams, const Tensor& factors, double mean, Tensor& input,
                  Tensor& target) {
    if (y.elements() == 0) return;
    const Uploaded<RandomStream> keys(streams);
    const std::int64_t length = y.elements() / y.size(0), blocks = (length + kPerBlock - 1) / kPerBlock;
    const std::int64_t threads = y.size(0) * blocks;
    with_device_dtype("noised", y.dtype(), [&](auto type) {
        using T = decltype(type);
        const auto fits = [](const Tensor& x) {
            return reinterpret_cast<std::uintptr_t>(x.raw()) % alignof(Pack<T, kPerBlock>) == 0;
        };
        const bool aligned = length % kPerBlock == 0 && fits(y) && fits(input) && fits(target);
        launch<noise_images_kernel<T>>(one_thread_each(threads, kThreads), y.data<T>(), keys.data(), factors.data<float>(),
                                       static_cast<float>(mean), input.data<T>(), target.data<T>(), length, blocks, threads,
                                       aligned);
    });
}

}    // namespace lull::cuda
