// Normal and uniform random numbers, from one Philox stream for each image.
//
// Bytes moved: the output written once, the minimum. A thread makes one block of Philox, four positions of an image: ten
// rounds of two wide multiplications each, the same integers as on the CPU, and for normal numbers two logarithms, roots, sines
// and cosines, some 150 instructions for 16 bytes of f32: above some 3 TB/s the arithmetic binds, not the memory.
#include "engine/cuda/device.h"
#include "engine/cuda/uploaded.h"
#include "engine/ops/random/kernels.h"
#include "engine/ops/random/normal.h"

namespace lull::cuda {

namespace {

constexpr int kThreads = 256, kPerBlock = 4;

struct Normal {
    LULL_DEVICE void operator()(const PhiloxWords& bits, float (&value)[kPerBlock]) const { normal_numbers(bits, value); }
};
struct Uniform {    // of 24 bits, exact in f32
    LULL_DEVICE void operator()(const PhiloxWords& bits, float (&value)[kPerBlock]) const {
        for (int k = 0; k < kPerBlock; ++k) value[k] = static_cast<float>(bits.at[k] >> 8) * 0x1p-24f;
    }
};

// y: (N, length). Image n has `blocks` threads, the last of which may make fewer than four numbers. aligned: every block of y
// begins at a multiple of its size.
template <class T, class Make>
__global__ void fill_kernel(const RandomStream* streams, T* y, Make make, std::int64_t length, std::int64_t blocks,
                            std::int64_t threads, bool aligned) {
    const std::int64_t i = global_thread();
    if (i >= threads) return;
    const std::int64_t n = i / blocks, block = i % blocks, first = kPerBlock * block;
    float value[kPerBlock];
    make(streams[n].words(static_cast<std::uint32_t>(block)), value);
    T* const to = y + n * length + first;
    if (aligned && first + kPerBlock <= length) {
        Pack<T, kPerBlock> four;
        for (int k = 0; k < kPerBlock; ++k) four.at[k] = from_float<T>(value[k]);
        store_pack(to, four);
    } else {
        for (int k = 0; k < kPerBlock; ++k)
            if (first + k < length) to[k] = from_float<T>(value[k]);
    }
}

template <class Make>
void fill_streams(std::span<const RandomStream> streams, Tensor& y, Make make) {
    if (y.elements() == 0) return;
    const Uploaded<RandomStream> keys(streams);
    const std::int64_t length = y.elements() / y.size(0), blocks = (length + kPerBlock - 1) / kPerBlock;
    const std::int64_t threads = y.size(0) * blocks;
    with_device_dtype("random", y.dtype(), [&](auto type) {
        using T = decltype(type);
        const bool aligned = reinterpret_cast<std::uintptr_t>(y.raw()) % alignof(Pack<T, kPerBlock>) == 0 &&
                             (length % kPerBlock == 0 || y.size(0) == 1);
        launch<fill_kernel<T, Make>>(one_thread_each(threads, kThreads), keys.data(), y.data<T>(), make, length, blocks, threads,
                                     aligned);
    });
}

}    // namespace

void normal_fill(std::span<const RandomStream> streams, Tensor& y) { fill_streams(streams, y, Normal()); }

void uniform_fill(std::span<const RandomStream> streams, Tensor& y) { fill_streams(streams, y, Uniform()); }

}    // namespace lull::cuda
