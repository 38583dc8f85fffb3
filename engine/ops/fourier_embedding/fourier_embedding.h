// A number as sines and cosines of many frequencies.
#pragma once

#include "engine/tensor.h"

namespace lull {

// Random Fourier features of the logarithm (Song et al. 2021, arXiv 2011.13456): sines, then cosines, of 2π w_i ln t. The
// phases are made in f64, as they reach hundreds of turns. time: (N) floating, > 0, else Error (on CUDA, where nobody waits for
// the times: NaN); frequencies w: (h) → (N, 2h) f32. Data: not differentiable.
Tensor fourier_embedding(const Tensor& time, const Tensor& frequencies);

}    // namespace lull
