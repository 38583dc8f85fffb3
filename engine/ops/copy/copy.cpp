#include "engine/ops/copy/copy.h"

#include "engine/ops/copy/kernels.h"

namespace lull {

void copy(const Tensor& from, const Tensor& to) {
    check(from.defined() && to.defined(), "copy", "expected two tensors, got ", from, " for ", to);
    check(from.shape() == to.shape(), "copy", "expected equal shapes, got ", from, " for ", to);
    dispatch(from, cpu::copy_elements, cuda::copy_elements)(from, to);
}

void accumulate(const Tensor& from, const Tensor& to) {
    check(from.defined() && to.defined(), "accumulate", "expected two tensors, got ", from, " for ", to);
    check(from.shape() == to.shape() && from.dtype() == to.dtype(), "accumulate", "expected equal shapes and types, got ", from,
          " for ", to);
    dispatch(from, cpu::accumulate_elements, cuda::accumulate_elements)(from, to);
}

}    // namespace lull
