// The same numbers in, so that two programs' numbers out can be compared.
#pragma once

#include <filesystem>

#include "diffusion/preconditioner.h"
#include "engine/dtype.h"
#include "nn/optim.h"

namespace lull {

// What both sides of a comparison train with.
inline constexpr EdmPreconditioner kBenchmarkEdm{.sigma_data = 0.6636};    // of Fashion-MNIST in [-1, 1], padded to 32 × 32
inline constexpr AdamWOptions kBenchmarkAdamW{.beta2 = 0.99, .eps = 1e-5, .weight_decay = 0.01, .max_norm = 1};

// Training on S given batches of N images, from given weights.
//
// batches: a safetensors file in PyTorch's layout with "images" and "noise", (S, N, C, H, W), "sigma" (S, N), and "start"
// (M, C, H, W), noise of standard deviation σ_max. output: one with "samples", what Heun's method draws from "start" with the
// weights as they were given; "loss" (S); and under "gradient." + a parameter's name its gradient at the first step. Standard
// output gets one line of JSON, the operations of an image's forward pass.
struct Replay {
    std::filesystem::path model;    // a diffusers folder
    std::filesystem::path batches, output;
    DType precision = DType::f32;
    double learning_rate = 1e-3;

    // Throws Error when a file is missing or is not what it should be.
    void run() const;
};

}    // namespace lull
