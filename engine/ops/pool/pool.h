// Pooling: what lies under a window becomes one number, per channel.
#pragma once

#include "engine/tensor.h"

namespace lull {

// As torch.nn.functional.avg_pool2d and max_pool2d, for square windows.
struct PoolOptions {
    int kernel = 2;
    int stride = 0;            // 0: the kernel's size
    int padding = 0;           // on each side, at most half the kernel: zeros for the average, nothing for the maximum
    bool ceil_mode = false;    // a last window that is partly outside counts, too: H' is rounded up
};

// x: (N, H, W, C) → (N, H', W', C), H' = (H + 2·padding - kernel) / stride + 1. The average counts the padding's zeros; what
// a window has beyond the padding (ceil_mode) it does not count. The maximum hands its gradient to the first of equal
// elements; where the window has a NaN it is NaN, and hands its gradient to the first of them.
Tensor avg_pool2d(const Tensor& x, const PoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, const PoolOptions& options = {});

// The mean over all pixels. x: (N, H, W, C) → (N, C).
Tensor global_avg_pool2d(const Tensor& x);

}    // namespace lull
