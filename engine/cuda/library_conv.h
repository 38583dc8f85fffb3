// Convolution by a library: cuDNN in a build for GPUs that has it (LULL_CUDNN), the CPU's where kernels run on the CPU. For wide
// layers, whose products cuDNN computes with instructions (Hopper's wgmma) that our kernels do not use.
#pragma once

#include "engine/autograd.h"
#include "engine/ops/conv2d/conv2d.h"

namespace lull::cuda {

// Which path convolutions take. by_table: what wide_enough_for_library says, the library's where it can. The others are for
// tests and benchmarks; library: wherever it can.
enum class ConvPath { by_table, kernels, library };
void set_conv_path(ConvPath path);

// In y = x * w, what is computed from the other two: y, the gradient of x, or that of w.
enum class ConvPass { forward, data, filters };

// Whether this build has one.
bool has_library_conv();

// x: (N, H, W, C), w: (O, kh, kw, C), y: (N, H', W', O), all f32 (never TF32) or all bf16; sums are f32, and the same bits come
// from run to run. Writes y, x or w. False, and nothing is done, where the library has no such way.
bool library_convolve(ConvPass pass, const Tensor& x, const Tensor& w, const Tensor& y, const Conv2dOptions& options);

// The same with `weight` in f32, and what is computed written or added as Into says, if the path in force is the library's and
// it can; otherwise false, and nothing is done.
bool convolve_by_library(ConvPass pass, const Tensor& x, const Tensor& weight, const Tensor& y, const Conv2dOptions& options,
                         bool add = false);

}    // namespace lull::cuda
