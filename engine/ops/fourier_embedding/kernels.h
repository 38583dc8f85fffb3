#pragma once

#include "engine/dispatch.h"

namespace lull {

// time: (N), frequencies: (h), both floating, y: (N, 2h) f32.
LULL_KERNEL(fourier_embedding, (const Tensor& time, const Tensor& frequencies, Tensor& y));

}    // namespace lull
