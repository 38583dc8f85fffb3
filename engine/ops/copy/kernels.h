#pragma once

#include "engine/dispatch.h"

namespace lull {

LULL_KERNEL(copy_elements, (const Tensor& from, Tensor to));
LULL_KERNEL(fill_elements, (double value, Tensor to));
LULL_KERNEL(accumulate_elements, (const Tensor& from, Tensor to));

}    // namespace lull
