#include <algorithm>
#include <array>

#include "engine/ops/gather_images/kernels.h"

namespace lull::cpu {

// One thread: a batch of 128 small images takes about a ten-thousandth of the step that trains on it.
void gather_pictures(const Tensor& pixels, std::span<const Pick> picks, const GatherOptions& options, Tensor& y) {
    std::array<float, 256> value_of{};
    for (std::size_t byte = 0; byte < 256; ++byte)
        value_of[byte] = static_cast<float>(options.low + (options.high - options.low) * static_cast<double>(byte) / 255);

    const std::int64_t height = pixels.size(1), width = pixels.size(2), channels = pixels.size(3), border = options.border;
    const std::uint8_t* from = pixels.data<std::uint8_t>();    // (N, H, W, C)
    float* to = y.data<float>();                               // (B, H + 2 border, W + 2 border, C)
    if (border > 0) std::fill_n(to, y.elements(), value_of[0]);
    for (const auto& [image, mirrored] : picks) {
        to += (border * (width + 2 * border) + border) * channels;
        for (std::int64_t row = 0; row < height; ++row, to += (width + 2 * border) * channels) {
            const std::uint8_t* line = from + (image * height + row) * width * channels;
            for (std::int64_t column = 0; column < width; ++column)
                for (std::int64_t c = 0; c < channels; ++c)
                    to[column * channels + c] = value_of[line[(mirrored ? width - 1 - column : column) * channels + c]];
        }
        to += (border * (width + 2 * border) - border) * channels;
    }
}

}    // namespace lull::cpu
