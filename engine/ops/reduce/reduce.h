// Sums, means and extremes over axes.
#pragma once

#include <initializer_list>

#include "engine/tensor.h"

namespace lull {

// Over all axes: a scalar of rank 0.
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);

// Over the given axes (negative ones count from the back), which stay with extent 1: a mean over (1, 2, 3) of
// (N, H, W, C) is (N, 1, 1, 1) and broadcasts back. Extremes hand their gradient to all equal elements in equal parts.
Tensor sum(const Tensor& x, std::initializer_list<int> axes);
Tensor mean(const Tensor& x, std::initializer_list<int> axes);
Tensor max(const Tensor& x, std::initializer_list<int> axes);
Tensor min(const Tensor& x, std::initializer_list<int> axes);

}    // namespace lull
