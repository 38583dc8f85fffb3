// Sums, means and extremes over axes.
#pragma once

#include <initializer_list>
#include <span>

#include "engine/tensor.h"

namespace lull {

// x is floating; sums are accumulated in f64, in an order that the shape alone decides. Throws Error for an extreme over
// no elements.

// Over all axes: a scalar of rank 0.
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);

// Over the given axes (negative ones count from the back), which stay with extent 1: a mean over (1, 2, 3) of
// (N, H, W, C) is (N, 1, 1, 1) and broadcasts back. Extremes hand their gradient to all equal elements in equal parts.
Tensor sum(const Tensor& x, std::span<const int> axes);
Tensor mean(const Tensor& x, std::span<const int> axes);
Tensor max(const Tensor& x, std::span<const int> axes);
Tensor min(const Tensor& x, std::span<const int> axes);

inline Tensor sum(const Tensor& x, std::initializer_list<int> axes) { return sum(x, std::span(axes.begin(), axes.size())); }
inline Tensor mean(const Tensor& x, std::initializer_list<int> axes) { return mean(x, std::span(axes.begin(), axes.size())); }
inline Tensor max(const Tensor& x, std::initializer_list<int> axes) { return max(x, std::span(axes.begin(), axes.size())); }
inline Tensor min(const Tensor& x, std::initializer_list<int> axes) { return min(x, std::span(axes.begin(), axes.size())); }

// The opposite of broadcasting: x summed over the axes along which `shape` has extent 1, or over all for a scalar's.
// The gradient of a broadcast operand, wherever one is needed. x itself when it has that shape already.
Tensor sum_to(const Tensor& x, const Shape& shape);

}    // namespace lull
