// Concatenation.
#pragma once

#include <span>

#include "engine/tensor.h"

namespace lull {

// Tensors end to end along an axis; all other extents and the types are equal.
Tensor concat(std::span<const Tensor> parts, int axis);
inline Tensor concat(std::initializer_list<Tensor> parts, int axis) {
    return concat(std::span(parts.begin(), parts.size()), axis);
}

}    // namespace lull
