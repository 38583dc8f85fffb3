// Which convolutions are the library's.
#include "engine/cuda/library_conv.h"

#include <algorithm>

#include "engine/ops/copy/copy.h"

namespace lull::cuda {

namespace {

ConvPath path = ConvPath::by_table;

// From 64 channels on both sides a 3×3 convolution in bf16 is bound by arithmetic (288 FLOP per byte that is moved, where an H200
// does 184 in the time), and a path with wgmma can be twice as fast as ours; below, memory is what counts. By sizes alone.
bool wide_enough_for_library(const Tensor& weight) { return std::min(weight.size(0), weight.size(3)) >= 64; }

}    // namespace

void set_conv_path(ConvPath next) { path = next; }

bool convolve_by_library(ConvPass pass, const Tensor& x, const Tensor& weight, const Tensor& y, const Conv2dOptions& options,
                         bool add) {
    if (!has_library_conv() || path == ConvPath::kernels || options.upsample > 1) return false;
    if (path == ConvPath::by_table && !wide_enough_for_library(weight)) return false;
    if (x.elements() == 0 || weight.elements() == 0 || y.elements() == 0) return false;

    const Tensor& result = pass == ConvPass::forward ? y : pass == ConvPass::data ? x : weight;
    const bool apart = add || result.dtype() != x.dtype();    // the library overwrites, in x's type
    const Tensor w = pass == ConvPass::filters ? empty_beside(x, weight.shape()) : weight.detach().to(x.dtype());
    const Tensor x_there = apart && pass == ConvPass::data ? empty_like(x) : x;
    const Tensor y_there = apart && pass == ConvPass::forward ? empty_like(y) : y;
    if (!library_convolve(pass, x_there, w, y_there, options)) return false;
    const Tensor& computed = pass == ConvPass::forward ? y_there : pass == ConvPass::data ? x_there : w;
    if (add)
        accumulate(computed.to(result.dtype()), result);
    else if (computed.raw() != result.raw())
        copy(computed, result);
    return true;
}

}    // namespace lull::cuda
