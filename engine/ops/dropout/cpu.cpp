#include <cmath>

#include "engine/cpu/parallel.h"
#include "engine/ops/dropout/kernels.h"

namespace lull::cpu {

// Position i of an image's stream, 32 bits, keeps element i when it is at least p·2³².
void dropout_forward(const Tensor& x, double p, std::span<const RandomStream> streams, Into y) {
    with_compute_dtype("dropout", x.dtype(), [&](auto type) {
        using T = decltype(type);
        constexpr std::int64_t kPerBlock = 4, kBlocks = 1024;
        const std::int64_t images = x.size(0), size = images > 0 ? x.elements() / images : 0;
        const std::int64_t blocks = (size + kPerBlock - 1) / kPerBlock, pieces = (blocks + kBlocks - 1) / kBlocks;
        const auto threshold = static_cast<std::uint64_t>(std::ceil(p * 0x1p32));
        const T scale = static_cast<T>(1 / (1 - p));
        const T* source = x.data<T>();
        T* target = y.tensor.data<T>();
        parallel_for(images * pieces, [&](std::int64_t piece) {
            const std::int64_t n = piece / pieces, first = piece % pieces * kBlocks;
            for (std::int64_t b = first; b < std::min(first + kBlocks, blocks); ++b) {
                const auto bits = streams[static_cast<std::size_t>(n)].block(static_cast<std::uint32_t>(b));
                for (std::int64_t i = b * kPerBlock; i < std::min((b + 1) * kPerBlock, size); ++i) {
                    const std::int64_t at = n * size + i;
                    const T kept = bits[static_cast<std::size_t>(i % kPerBlock)] >= threshold ? source[at] * scale : T(0);
                    target[at] = y.add ? target[at] + kept : kept;
                }
            }
        });
    });
}

}    // namespace lull::cpu
