#include "engine/cuda/library_conv.h"

#include "engine/cuda/host/memory.h"
#include "engine/ops/conv2d/kernels.h"
#include "engine/ops/copy/copy.h"

namespace lull::cuda {

namespace {

// A tensor in device memory as one of the CPU's.
Tensor on_cpu(const Tensor& x) {
    const auto bytes = static_cast<std::size_t>(x.elements() * size_of(x.dtype()));
    return {std::make_shared<Storage>(x.raw(), bytes, nullptr), x.shape(), x.dtype()};
}

}    // namespace

bool has_library_conv() { return true; }

bool library_convolve(ConvPass pass, const Tensor& x_there, const Tensor& w_there, const Tensor& y_there,
                      const Conv2dOptions& options) {
    const host::DeviceMemoryOpen open;
    const Tensor x = on_cpu(x_there), w = on_cpu(w_there), y = on_cpu(y_there), f32 = w.to(DType::f32);
    if (pass == ConvPass::forward) cpu::conv2d_forward(x, f32, {}, options, y);
    if (pass == ConvPass::data) cpu::conv2d_backward_data(f32, y, options, {x});
    if (pass == ConvPass::filters) {
        const Tensor dw = empty_like(f32);
        cpu::conv2d_backward_weights(x, f32, y, options, {dw}, {});
        copy(dw, w);
    }
    return true;
}

}    // namespace lull::cuda
