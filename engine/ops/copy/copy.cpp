#include "engine/ops/copy/copy.h"

#include "engine/cuda/runtime.h"
#include "engine/ops/copy/kernels.h"

namespace lull {

namespace {

// Types are converted and gaps closed on the CPU's side; what travels is contiguous.
void copy_between_devices(const Tensor& from, const Tensor& to) {
    if (from.device() == Device::cuda) {
        const Tensor source = from.contiguous(), arrived = empty(from.shape(), from.dtype());
        cuda::download(source.raw(), arrived.raw(), static_cast<std::size_t>(source.elements() * size_of(source.dtype())));
        return copy(arrived, to);
    }
    const Tensor source = from.detach().to(to.dtype()).contiguous(), arrived = to.is_contiguous() ? to : empty_like(to);
    cuda::upload(source.raw(), arrived.raw(), static_cast<std::size_t>(source.elements() * size_of(source.dtype())));
    if (!to.is_contiguous()) copy(arrived, to);
}

}    // namespace

void copy(const Tensor& from, const Tensor& to) {
    check(from.defined() && to.defined(), "copy", "expected two tensors, got ", from, " for ", to);
    check(from.shape() == to.shape(), "copy", "expected equal shapes, got ", from, " for ", to);
    if (from.device() != to.device()) return copy_between_devices(from, to);
    dispatch(from, cpu::copy_elements, cuda::copy_elements)(from, to);
}

void accumulate(const Tensor& from, const Tensor& to) {
    check(from.defined() && to.defined(), "accumulate", "expected two tensors, got ", from, " for ", to);
    check(from.shape() == to.shape() && from.dtype() == to.dtype(), "accumulate", "expected equal shapes and types, got ", from,
          " for ", to);
    dispatch(from, cpu::accumulate_elements, cuda::accumulate_elements)(from, to);
}

void fill(const Tensor& to, double value) {
    check(to.defined() && to.is_contiguous(), "fill", "expected a contiguous tensor, got ", to);
    dispatch(to, cpu::fill_elements, cuda::fill_elements)(value, to);
}

}    // namespace lull
