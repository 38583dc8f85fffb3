#include <algorithm>
#include <numbers>

#include "engine/cpu/math.h"
#include "engine/cpu/parallel.h"
#include "engine/ops/random/kernels.h"

namespace lull::cpu {

namespace {

constexpr std::int64_t kChunk = 256;    // blocks of four positions that are made at a time
constexpr std::int64_t kGrain = 16;     // chunks a thread takes at a time: some 50 µs, well above what waking it costs

// Calls make(bits of kChunk blocks, their 4·kChunk outputs) for all positions of all images. The last chunk of an image is
// made whole too: what stands at a position never depends on the image's size.
template <class T, class Make>
void fill_chunks(std::span<const RandomStream> streams, Tensor& y, const Make& make) {
    if (streams.empty()) return;
    T* data = y.data<T>();
    const std::int64_t length = y.elements() / y.size(0), chunks = (length + 4 * kChunk - 1) / (4 * kChunk);
    const auto fill_chunk = [&](std::int64_t i) {
        const std::int64_t n = i / chunks, chunk = i % chunks, begin = 4 * kChunk * chunk;
        std::uint32_t bits[4 * kChunk];
        for (std::int64_t b = 0; b < kChunk; ++b) {
            const auto block = streams[static_cast<std::size_t>(n)].block(static_cast<std::uint32_t>(kChunk * chunk + b));
            std::copy(block.begin(), block.end(), bits + 4 * b);
        }
        alignas(kAlignment) T values[4 * kChunk];
        make(bits, values);
        std::copy_n(values, std::min(4 * kChunk, length - begin), data + n * length + begin);
    };
    parallel_ranges(y.size(0) * chunks, kGrain, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) fill_chunk(i);
    });
}

}    // namespace

// Box–Muller: two integers make two normals. The radius uses all 32 bits, for the tail; the angle 24, exact in f32.
void normal_fill(std::span<const RandomStream> streams, Tensor& y) {
    with_compute_dtype("normal", y.dtype(), [&](auto type) {
        using T = decltype(type);
        fill_chunks<T>(streams, y, [](const std::uint32_t* bits, T* values) {
            constexpr std::int64_t pairs = 2 * kChunk;
            const Tag<T> d;
            alignas(kAlignment) T radius[pairs], angle[pairs];
            for (std::int64_t i = 0; i < pairs; ++i) {
                radius[i] = (static_cast<T>(bits[2 * i]) + T(0.5)) * T(0x1p-32);
                angle[i] = T(2 * std::numbers::pi) * (static_cast<T>(bits[2 * i + 1] >> 8) * T(0x1p-24));
            }
            for (std::int64_t i = 0; i < pairs; i += lanes<T>()) {
                const Vec<T> r = hn::Sqrt(hn::Mul(hn::Set(d, T(-2)), vlog(hn::Load(d, radius + i))));
                Vec<T> sine, cosine;
                vsincos(hn::Load(d, angle + i), sine, cosine);
                hn::StoreInterleaved2(hn::Mul(r, cosine), hn::Mul(r, sine), d, values + 2 * i);
            }
        });
    });
}

void uniform_fill(std::span<const RandomStream> streams, Tensor& y) {
    with_compute_dtype("uniform", y.dtype(), [&](auto type) {
        using T = decltype(type);
        fill_chunks<T>(streams, y, [](const std::uint32_t* bits, T* values) {
            for (std::int64_t i = 0; i < 4 * kChunk; ++i) values[i] = static_cast<T>(bits[i] >> 8) * T(0x1p-24);
        });
    });
}

}    // namespace lull::cpu
