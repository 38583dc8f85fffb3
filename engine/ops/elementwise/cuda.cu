#include "engine/ops/elementwise/kernels.h"

namespace lull::cuda {

void unary_forward(Unary, const Tensor&, Tensor&) { fail("unary_forward", "not on CUDA yet"); }
void unary_backward(Unary, const Tensor&, const Tensor&, Into) { fail("unary_backward", "not on CUDA yet"); }
void affine_forward(const Tensor&, double, double, Into) { fail("affine_forward", "not on CUDA yet"); }
void leaky_relu_forward(const Tensor&, double, double, Tensor&) { fail("leaky_relu_forward", "not on CUDA yet"); }
void leaky_relu_backward(const Tensor&, double, const Tensor&, Into) { fail("leaky_relu_backward", "not on CUDA yet"); }
void clamp_forward(const Tensor&, double, double, Tensor&) { fail("clamp_forward", "not on CUDA yet"); }
void clamp_backward(const Tensor&, double, double, const Tensor&, Into) { fail("clamp_backward", "not on CUDA yet"); }
void binary_forward(Binary, const Tensor&, const Tensor&, Into) { fail("binary_forward", "not on CUDA yet"); }

}    // namespace lull::cuda
