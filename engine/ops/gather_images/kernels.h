#pragma once

#include "engine/dispatch.h"
#include "engine/ops/gather_images/gather_images.h"

namespace lull {

// y ← the pictures; y has options.dtype, on the CPU f32.
LULL_KERNEL(gather_pictures, (const Tensor& pixels, std::span<const Pick> picks, const GatherOptions& options, Tensor& y));

}    // namespace lull
