// Many images in one picture.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace lull {

struct GridOptions {
    int columns = 0;    // 0: as many as make the grid about square
    int padding = 2;    // pixels between images and around them
    int scale = 1;      // every pixel becomes scale × scale pixels
    std::uint8_t background = 255;
};

// images: (N, H, W, C) f32, C = 1 or 3, black at -1 and white at 1 (values beyond are clamped, NaN is black), row by row →
// u8 (H', W', C). The last row may be shorter.
Tensor image_grid(const Tensor& images, const GridOptions& options = {});

}    // namespace lull
