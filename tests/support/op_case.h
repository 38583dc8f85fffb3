// An operation's cases, written once and used several ways.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace lull::test {

using Inputs = std::vector<Tensor>;

struct OpCaseOptions {
    std::vector<std::vector<Shape>> shapes;       // one entry per case: the shapes of its inputs
    std::string golden;                           // name in tests/golden/ops.safetensors, or empty: NAME/CASE/in0 … out, grad_out, grad0 …
    double low = -2, high = 2;                    // inputs are uniform in [low, high)
    std::vector<int> no_gradient;                 // inputs that are data (targets, weights of a loss)
    double tolerance = 1e-5;                      // f32 against f64, relative to the largest element; justify any other value
    double gradient_tolerance = 1e-6;             // f64 central differences, relative
    bool gradient_check = true;                   // whether central differences make sense (not at the kinks of a clamp)
};

// For every case: the gradient in f64 against central differences; output and gradients in f32 against f64; golden
// values from PyTorch, in f64 and f32; that gradients add up when an input is used twice; one thread against two, bit
// for bit; and that nothing outside the outputs is written.
struct OpCases {
    std::string name;
    std::function<Tensor(const Inputs&)> op;
    OpCaseOptions options;
};

// Runs all of it under doctest's CHECK.
void run(const OpCases& cases);

}    // namespace lull::test
