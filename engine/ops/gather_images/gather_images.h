// Batches from a set of pictures that lies in memory as bytes.
#pragma once

#include <span>

#include "engine/tensor.h"

namespace lull {

struct Pick {
    std::int64_t image = 0;    // which picture
    bool mirrored = false;     // left to right
};

struct GatherOptions {
    double low = -1, high = 1;    // what the bytes 0 and 255 become
    std::int64_t border = 0;      // pixels of the byte 0 on every side
    DType dtype = DType::f32;     // or bf16
};

// Picture picks[b] for every b, on the pixels' device. pixels: u8 (N, H, W, C), contiguous → (B, H + 2 border, W + 2 border, C).
// Throws Error for a picture that is not there. Data: not differentiable. The same bits on every device.
Tensor gather_images(const Tensor& pixels, std::span<const Pick> picks, const GatherOptions& options = {});

}    // namespace lull
