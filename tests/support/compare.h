// Comparing tensors in tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/tensor.h"

namespace lull::test {

inline double largest(const Tensor& x) {
    double result = 0;
    for (const double value : x.values()) result = std::max(result, std::abs(value));
    return result;
}

// max |x - expected|; infinite when the shapes differ or x is not a number somewhere.
inline double absolute_error(const Tensor& x, const Tensor& expected) {
    if (!x.defined() || x.shape() != expected.shape()) return INFINITY;
    const std::vector<double> a = x.values(), b = expected.values();
    double error = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (std::isnan(a[i])) return INFINITY;
        error = std::max(error, std::abs(a[i] - b[i]));
    }
    return error;
}

// The same, relative to the largest element of `expected`.
inline double relative_error(const Tensor& x, const Tensor& expected) { return absolute_error(x, expected) / largest(expected); }

inline bool same_bits(const Tensor& a, const Tensor& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    const Tensor left = a.to(Device::cpu).contiguous(), right = b.to(Device::cpu).contiguous();
    const auto bytes = static_cast<std::size_t>(a.elements()) * static_cast<std::size_t>(size_of(a.dtype()));
    return std::memcmp(left.raw(), right.raw(), bytes) == 0;
}

}    // namespace lull::test
