// What a convolution layer is, for one size of image.
#pragma once

#include <cstdint>

namespace lull::cpu {

struct ConvShape {
    std::int64_t height, width, channels;
    std::int64_t out_channels, kernel_height, kernel_width;
    std::int64_t stride = 1, padding = 0;

    std::int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
    std::int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
    std::int64_t taps() const { return kernel_height * kernel_width; }
};

}    // namespace lull::cpu
