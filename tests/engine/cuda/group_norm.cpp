// GroupNorm on CUDA as the blocks use it: two sources, something added to every pixel, and y once more on the way back.
#ifdef LULL_WITH_CUDA
#include "engine/ops/group_norm/cuda.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/cuda/runtime.h"
#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/op_case.h"

namespace lull::test {

namespace {

struct Size {
    std::int64_t images, height, width, x_channels, skip_channels;
    int groups;
};

constexpr int kInputs = 6;    // x, skip, bias, emb, γ, β

Inputs inputs_for(const Size& s) {
    const std::int64_t C = s.x_channels + s.skip_channels;
    const Shape shapes[kInputs] = {{s.images, s.height, s.width, s.x_channels},
                                   {s.images, s.height, s.width, s.skip_channels},
                                   {C},
                                   {s.images, C},
                                   {C},
                                   {C}};
    Inputs inputs;
    for (const Shape& shape : shapes) inputs.push_back(uniform_values(shape, -2, 2, static_cast<unsigned>(inputs.size())));
    return inputs;
}

// y and the gradients, in f64, composed of operations.
std::vector<Tensor> composed(const Inputs& in, const GroupNormOptions& options, const Tensor& dy) {
    Inputs leaves;
    for (const Tensor& x : in) leaves.push_back(x.to(DType::f64).requires_grad());
    const Shape per_image{in[3].size(0), 1, 1, in[3].size(1)};
    const Tensor sum_of_inputs =
        concat({leaves[0], leaves[1]}, 3) + leaves[2].reshape({1, 1, 1, in[2].size(0)}) + leaves[3].reshape(per_image);
    const Tensor y = group_norm(sum_of_inputs, leaves[4], leaves[5], options);
    sum(y * dy.to(DType::f64)).backward();
    std::vector<Tensor> results{y.detach()};
    for (const Tensor& leaf : leaves) results.push_back(leaf.grad());
    return results;
}

void check_case(const Size& size, DType dtype, Activation activation, double tolerance) {
    CAPTURE(dtype);
    CAPTURE(size.height);
    CAPTURE(size.skip_channels);
    const GroupNormOptions options{.groups = size.groups, .activation = activation};
    Inputs in = inputs_for(size);
    for (Tensor& x : {std::ref(in[0]), std::ref(in[1])}) x = x.to(dtype);
    const std::int64_t C = size.x_channels + size.skip_channels;
    const Tensor dy = uniform_values({size.images, size.height, size.width, C}, -1, 1, 9, dtype);
    const auto wanted = composed(in, options, dy);

    const auto there = [](const Tensor& x) { return x.to(Device::cuda); };
    Inputs d;
    for (const Tensor& x : in) d.push_back(there(x));
    const Tensor y = there(zeros_like(dy)), again = there(zeros_like(dy)), last = there(zeros_like(dy));
    const Tensor statistics = zeros({size.images, size.groups, 2}, DType::f32, Device::cuda);
    const cuda::GroupNormInput input{d[0], d[1], d[2], d[3]};
    const cuda::GroupNormWeights weights{d[4], d[5]};
    cuda::group_norm_forward(input, weights, options, y, statistics);
    cuda::group_norm_again(input, weights, options, statistics, again);
    CHECK(relative_error(y, wanted[0]) <= tolerance);
    CHECK(same_bits(again, y));

    // Written over what was there, and then added to it.
    std::vector<Tensor> grads;
    for (const Tensor& x : d) grads.push_back(there(full(x.shape(), std::nan(""), x.dtype())));
    for (const bool add : {false, true}) {
        const auto into = [&](std::size_t i) { return Into{grads[i], add}; };
        cuda::group_norm_backward(
            input, weights, options, statistics, there(dy),
            {.x = into(0), .skip = into(1), .weight = into(4), .bias = into(5), .added_bias = into(2), .emb = into(3)}, last);
        CHECK(same_bits(last, y));
        for (std::size_t i = 0; i < kInputs; ++i) {
            CAPTURE(i);
            CHECK(relative_error(grads[i], wanted[i + 1] * (add ? 2. : 1.)) <= (add ? 2 : 1) * tolerance);
        }
    }
}

}    // namespace

TEST_CASE("GroupNorm of two sources with something added, on CUDA") {
    if (!cuda::available()) return;
    // A seam between groups and inside one, inside a vector, more columns than a warp has lanes, than a block has threads.
    const Size sizes[] = {{3, 4, 5, 16, 16, 4},   {2, 5, 3, 64, 32, 8}, {2, 3, 3, 5, 3, 4},
                          {1, 3, 2, 200, 184, 4}, {1, 2, 2, 300, 9, 1}, {2, 40, 41, 24, 40, 2}};
    for (const Size& size : sizes) {
        check_case(size, DType::f32, Activation::silu, 1e-5);
        check_case(size, DType::bf16, Activation::silu, 0x1p-8);
        check_case(size, DType::f32, Activation::none, 1e-5);
    }
}

TEST_CASE("GroupNorm by chunks of pixels, on a GPU where whole images would fit") {
    if (!cuda::available()) return;
    const std::size_t most = cuda::most_shared_bytes();
    cuda::limit_shared_bytes(std::size_t{48} << 10);
    CHECK(cuda::most_shared_bytes() == std::size_t{48} << 10);
    for (const Size& size : {Size{1, 90, 80, 16, 16, 4}, Size{1, 90, 80, 7, 8, 3}}) {
        check_case(size, DType::f32, Activation::silu, 1e-5);
        check_case(size, DType::bf16, Activation::silu, 0x1p-8);
    }
    cuda::limit_shared_bytes(most);
    CHECK(cuda::most_shared_bytes() == most);
}

TEST_CASE("on CUDA, a mean far from 0 costs GroupNorm no more digits than the input has") {
    if (!cuda::available()) return;
    const Tensor x = uniform_values({2, 9, 9, 24}, -1, 1, 1) + 1000.;
    const GroupNormOptions options{.groups = 8};
    const Tensor exact = group_norm(x.to(DType::f64), ones({24}, DType::f64), zeros({24}, DType::f64), options);
    const Tensor y = group_norm(x.to(Device::cuda), ones({24}).to(Device::cuda), zeros({24}).to(Device::cuda), options);
    CHECK(relative_error(y, exact) < 1e-4);    // x has a spacing of 6e-5 at 1000, and a standard deviation of 0.58
}

TEST_CASE("on CUDA, one tensor may be x and skip") {
    if (!cuda::available()) return;
    const Tensor x = uniform_values({2, 3, 3, 8}, -1, 1, 1).to(Device::cuda),
                 dy = uniform_values({2, 3, 3, 16}, -1, 1, 2).to(Device::cuda);
    const cuda::GroupNormInput input{x, x, {}, {}};
    const cuda::GroupNormWeights weights{ones({16}).to(Device::cuda), zeros({16}).to(Device::cuda)};
    const GroupNormOptions options{.groups = 2};
    const Tensor y = empty_like(dy), statistics = empty({2, 2, 2}, DType::f32, Device::cuda);
    cuda::group_norm_forward(input, weights, options, y, statistics);
    const auto gradients = [&](Into first, Into second) {
        cuda::group_norm_backward(input, weights, options, statistics, dy,
                                  {.x = first, .skip = second, .weight = {}, .bias = {}});
    };
    const Tensor one = empty_like(x), other = empty_like(x), both = empty_like(x);
    gradients({one, false}, {other, false});
    gradients({both, false}, {both, true});
    CHECK(relative_error(both, one.to(Device::cpu) + other.to(Device::cpu)) < 1e-6);    // a rounding
}

}    // namespace lull::test
#endif
