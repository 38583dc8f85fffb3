#include <cmath>
#include <numbers>

#include "engine/cpu/parallel.h"
#include "engine/ops/random/kernels.h"

namespace lull::cpu {

namespace {

// Calls make(bits, four outputs) for every block of four positions of every image.
template <class T, class Make>
void fill_blocks(std::span<const RandomStream> streams, Tensor& y, const Make& make) {
    if (streams.empty()) return;
    T* data = y.data<T>();
    const std::int64_t length = y.elements() / y.size(0), blocks = (length + 3) / 4, grain = 1024;
    const std::int64_t ranges = (blocks + grain - 1) / grain;    // per image
    parallel_for(y.size(0) * ranges, [&](std::int64_t i) {
        const std::int64_t n = i / ranges, begin = i % ranges * grain, end = std::min(blocks, begin + grain);
        for (std::int64_t b = begin; b < end; ++b) {
            T values[4];
            make(streams[static_cast<std::size_t>(n)].block(static_cast<std::uint32_t>(b)), values);
            std::copy_n(values, std::min<std::int64_t>(4, length - 4 * b), data + n * length + 4 * b);
        }
    });
}

}    // namespace

// Box–Muller: two integers make two normals. The radius uses all 32 bits, for the tail; the angle 24, exact in f32.
void normal_fill(std::span<const RandomStream> streams, Tensor& y) {
    with_compute_dtype("normal", y.dtype(), [&](auto type) {
        using T = decltype(type);
        fill_blocks<T>(streams, y, [](const std::array<std::uint32_t, 4>& bits, T* values) {
            for (std::size_t pair = 0; pair < 4; pair += 2) {
                const T radius = std::sqrt(T(-2) * std::log((static_cast<T>(bits[pair]) + T(0.5)) * T(0x1p-32)));
                const T angle = T(2 * std::numbers::pi) * (static_cast<T>(bits[pair + 1] >> 8) * T(0x1p-24));
                values[pair] = radius * std::cos(angle);
                values[pair + 1] = radius * std::sin(angle);
            }
        });
    });
}

void uniform_fill(std::span<const RandomStream> streams, Tensor& y) {
    with_compute_dtype("uniform", y.dtype(), [&](auto type) {
        using T = decltype(type);
        fill_blocks<T>(streams, y, [](const std::array<std::uint32_t, 4>& bits, T* values) {
            for (std::size_t i = 0; i < 4; ++i) values[i] = static_cast<T>(bits[i] >> 8) * T(0x1p-24);
        });
    });
}

}    // namespace lull::cpu
