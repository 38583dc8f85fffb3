// The operations that bench_ops times, on the shapes of S16 and M32.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/dtype.h"

namespace lull {

struct OpCase {
    std::string name;              // "conv3x3 16^2 64->32 backward-data": operation, size of the input image, channels, pass
    double flops = 0;              // of one run; 0: it is memory that limits it, and then
    double bytes = 0;              // what one run must read and write at least
    int in_s16 = 0, in_m32 = 0;    // how often the networks' forward pass has this layer
    std::function<std::function<void()>()> prepare;    // makes the tensors, and returns the run
};

// images: in every batch. dtype: f32 or bf16, of activations and weights.
std::vector<OpCase> op_cases(std::int64_t images, DType dtype);

}    // namespace lull
