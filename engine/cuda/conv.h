// Convolution of images on the device: the building blocks of conv2d and resnet_block. Images are f32 or bf16, filters, biases
// and their gradients f32; bf16 is multiplied by bf16 (filters are rounded) on tensor cores; sums are f32, and of f32 images
// also the products, never TF32. The same bits from run to run. Wide layers may be computed by a library (library_conv.h).
#pragma once

#include <span>

#include "engine/autograd.h"
#include "engine/ops/conv2d/conv2d.h"

namespace lull::cuda {

// x (N, H, W, C) * channels [first_channel, first_channel + C) of weight (O, kh, kw, at least that many).
struct ConvTerm {
    Tensor x, weight;
    Conv2dOptions options = {};
    std::int64_t first_channel = 0;
};

// What is added to the sum before it is rounded to y's type; each may be undefined. bias: (O). residual: of y's shape and the
// images' type, or, with residual2, its first channels, of which residual2 has the rest.
struct ConvExtras {
    Tensor bias = {}, bias2 = {};
    Tensor residual = {}, residual2 = {};
};

// y (+)= Σ_terms (at most 3, of equal N, O and y's extents) + extras. y: (N, H', W', O), of the images' type.
void conv_forward(std::span<const ConvTerm> terms, const ConvExtras& extras, Into y);

// dx (+)= the gradient of x in such a term. dy: (N, H', W', O), dx: (N, H, W, C), of dy's type.
void conv_backward_data(const Tensor& weight, const Tensor& dy, const Conv2dOptions& options, Into dx,
                        std::int64_t first_channel = 0);

// Channels [first_channel, first_channel + C) of dweight (O, kh, kw, …) (+)= the gradient of weight in such a term.
void conv_backward_weights(const Tensor& x, const Tensor& dy, const Conv2dOptions& options, Into dweight,
                           std::int64_t first_channel = 0);

}    // namespace lull::cuda
