// How two operands of different shapes are walked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/tensor.h"

namespace lull {

// The axes over which two expanded operands are walked, row-major: those of extent 1 dropped, and neighbours merged where
// both operands allow it, so that a row is as long as it can be. Strides in a row are 0 or 1.
struct Walk {
    int rank = 1;
    std::int64_t extent[kMaxRank] = {1}, a_stride[kMaxRank] = {1}, b_stride[kMaxRank] = {1};

    Walk(const Tensor& a, const Tensor& b) {
        int last = -1;
        for (int axis = 0; axis < a.rank(); ++axis) {
            const std::int64_t n = a.size(axis), sa = a.strides()[axis], sb = b.strides()[axis];
            if (n == 1) continue;
            int at = std::max(last, 0);
            if (last >= 0 && a_stride[at] == n * sa && b_stride[at] == n * sb) {
                extent[at] *= n;
            } else {
                at = ++last;
                extent[at] = n;
            }
            a_stride[at] = sa;
            b_stride[at] = sb;
        }
        rank = std::max(last + 1, 1);
    }

    std::int64_t row_length() const { return extent[rank - 1]; }
    bool a_runs() const { return a_stride[rank - 1] != 0; }    // or one element serves the whole row
    bool b_runs() const { return b_stride[rank - 1] != 0; }

    // Where row r of an operand begins.
    std::int64_t row(std::int64_t r, const std::int64_t (&stride)[kMaxRank]) const {
        std::int64_t offset = 0;
        for (int axis = rank - 2; axis >= 0; --axis) {
            offset += r % extent[axis] * stride[axis];
            r /= extent[axis];
        }
        return offset;
    }
};

}    // namespace lull
