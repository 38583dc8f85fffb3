#pragma once

#include <span>

#include "engine/dispatch.h"
#include "engine/random.h"

namespace lull {

// All contiguous. y, input, target: (N, …) of one type, on the CPU f32; factors: (N, 4) f32.
LULL_KERNEL(noise_images, (const Tensor& y, std::span<const RandomStream> streams, const Tensor& factors, double mean,
                           Tensor& input, Tensor& target));

}    // namespace lull
