#pragma once

#include <span>

#include "engine/dispatch.h"
#include "engine/random.h"

namespace lull {

// y: (N, …), one stream per image.
LULL_KERNEL(normal_fill, (std::span<const RandomStream> streams, Tensor& y));
LULL_KERNEL(uniform_fill, (std::span<const RandomStream> streams, Tensor& y));

}    // namespace lull
