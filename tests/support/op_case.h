// An operation's cases, written once and used several ways.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace lull::test {

using Inputs = std::vector<Tensor>;

struct OpCaseOptions {
    std::vector<std::vector<Shape>> shapes = {};    // one entry per case: the shapes of its inputs
    std::string golden = {};                        // name in tests/golden/ops.safetensors, or empty
    double low = -2, high = 2;                      // inputs are uniform in [low, high)
    std::vector<int> no_gradient = {};              // inputs that are data (targets, weights of a loss)
    std::vector<int> per_image = {};                // inputs whose axis 0, and the output's, counts images
    double tolerance = 1e-5;                        // f32 against f64; justify any other value
    double gradient_tolerance = 1e-6;               // f64 against central differences
    double golden_tolerance = 1e-10;                // f64 against PyTorch's; justify any other value
    double bf16_tolerance = 0x1p-8;                 // bf16 against f64 on the same inputs: one rounding is 2^-9; justify others
    bool gradient_check = true;                     // whether central differences make sense (not at the kinks of a clamp)
};

// Errors are relative to the largest element of what is expected, or to 1/1000 if all are smaller. For every case:
//   - gradients in f64 against central differences: single elements, and one direction that has a part in all;
//   - output and gradients in f32 and bf16 against f64, and f32 and f64 against PyTorch's golden values;
//   - gradients add up when a computation is done twice, and when one tensor is two of the inputs;
//   - bit for bit the same: one thread, two and three; contiguous and strided inputs; an image alone and in its batch;
//   - nothing is written outside outputs, gradients and temporaries, no memory is read that was not written, and the
//     output's gradient is left as it was.
// In a build with CUDA and a device (the CPU may be one: LULL_CUDA=host) the CUDA kernels are looked at instead:
//   - output and gradients in f32 and bf16 against f64 on the CPU, with the tolerances of the CPU's kernels, from contiguous
//     and strided inputs, done once and twice, and with inputs and gradients at addresses that no vector may have;
//   - the same bits when run again, whatever shared memory held before; nothing is written outside.
struct OpCases {
    std::string name;
    std::function<Tensor(const Inputs&)> op;
    OpCaseOptions options = {};
};

// Runs all of it under doctest's CHECK.
void run(const OpCases& cases);

// How many shapes of operations run() has looked at so far.
int cases_run();

// One computation of tests/golden/ops.safetensors: f64 (indices i64), gradients by the number of their input.
struct Golden {
    Inputs inputs;
    Tensor out, grad_out;
    std::map<int, Tensor> grads;
};

// All cases of a name, in order. Throws Error when there is none.
std::vector<Golden> golden(const std::string& name);

// max |got - wanted| / max(|wanted|, 1/1000), infinite when shapes differ or anything is NaN.
double relative_error(const Tensor& got, const Tensor& wanted);

// Whether two tensors have the same type, shape and bits.
bool same_bits(const Tensor& a, const Tensor& b);

// Uniform in [low, high), the same for the same number on every machine; independent of lull's own random numbers.
Tensor uniform_values(const Shape& shape, double low, double high, unsigned number, DType dtype = DType::f32);

}    // namespace lull::test
