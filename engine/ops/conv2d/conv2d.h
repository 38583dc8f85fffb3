// Two-dimensional convolution (cross-correlation, as PyTorch's).
#pragma once

#include "engine/tensor.h"

namespace lull {

struct Conv2dOptions {
    int stride = 1;
    int padding = 0;     // zeros on each side
    int upsample = 1;    // of x, first: every pixel becomes upsample × upsample, as by upsample_nearest, an image at a time
};

// x: (N, H, W, C), weight: (O, kh, kw, C), bias: (O) or undefined → (N, H', W', O), H' = (upsample·H + 2·padding - kh) / stride
// + 1.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options = {});

}    // namespace lull
