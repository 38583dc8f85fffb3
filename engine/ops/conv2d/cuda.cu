// By the kernels of engine/cuda/conv.h.
#include "engine/cuda/column_sum.h"
#include "engine/cuda/conv.h"
#include "engine/ops/conv2d/kernels.h"

namespace lull::cuda {

void conv2d_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options, Tensor y) {
    const ConvTerm term{x, weight, options};
    conv_forward({&term, 1}, {.bias = bias}, {y});
}

void conv2d_backward_data(const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx) {
    conv_backward_data(weight, dy, options, dx);
}

void conv2d_backward_weights(const Tensor& x, const Tensor&, const Tensor& dy, const Conv2dOptions& options, Into dweight,
                             Into dbias) {
    if (dweight.tensor.defined()) conv_backward_weights(x, dy, options, dweight);
    if (dbias.tensor.defined()) column_sum(dy, dbias);
}

}    // namespace lull::cuda
