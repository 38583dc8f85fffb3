// Concatenation and its parts are copies from and to slices: around the axis a tensor is rows, of one length, at a pitch. Bytes
// moved: every part read once and written once, the minimum (engine/ops/copy/cuda.cu).
#include "engine/ops/concat/kernels.h"
#include "engine/ops/copy/kernels.h"

namespace lull::cuda {

void concat_forward(std::span<const Tensor> parts, int axis, Tensor& y) {
    std::int64_t begin = 0;
    for (const Tensor& part : parts) {
        const std::int64_t end = begin + part.size(axis);
        copy_elements(part, y.slice(axis, begin, end));
        begin = end;
    }
}

void concat_backward(const Tensor& dy, int axis, std::int64_t begin, Into dx) {
    const Tensor part = dy.slice(axis, begin, begin + dx.tensor.size(axis));
    if (dx.add)
        accumulate_elements(part, dx.tensor);
    else
        copy_elements(part, dx.tensor);
}

}    // namespace lull::cuda
