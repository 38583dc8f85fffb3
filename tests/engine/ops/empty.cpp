// Operations on tensors without elements: a batch of no images, images without pixels or channels.
#include <doctest/doctest.h>

#include "engine/ops.h"
#include "tests/support/op_case.h"

using namespace lull;
using namespace lull::test;

namespace {

// op's output, after a backward through it. Weights of the last shapes get a gradient that is zero: nothing contributes.
template <class Op>
Shape shape_after_backward(const Op& op, const std::vector<Shape>& shapes, bool zero_gradients = true) {
    const arena::Guard guard;
    Inputs in;
    for (const Shape& shape : shapes) in.push_back(ones(shape).requires_grad());
    const Tensor y = op(in);
    sum(y).backward();
    for (const Tensor& x : in) {
        CAPTURE(x.shape());
        CHECK(x.grad().shape() == x.shape());
        if (zero_gradients) CHECK(x.grad().values() == std::vector<double>(static_cast<std::size_t>(x.elements())));
    }
    CHECK(guard.overruns() == 0);
    return y.shape();
}

}    // namespace

TEST_CASE("convolution of no images, no pixels, or no channels") {
    const auto op = [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); };
    CHECK(shape_after_backward(op, {{0, 4, 4, 3}, {5, 3, 3, 3}, {5}}) == Shape{0, 4, 4, 5});
    CHECK(shape_after_backward(op, {{2, 4, 1, 0}, {5, 3, 3, 0}, {5}}, false) == Shape{2, 4, 1, 5});
    CHECK(shape_after_backward(op, {{2, 4, 4, 3}, {0, 3, 3, 3}, {0}}) == Shape{2, 4, 4, 0});
    CHECK(shape_after_backward([](const Inputs& in) { return conv2d(in[0], in[1], {}, {.padding = 1}); },
                               {{1, 4, 0, 2}, {3, 2, 2, 2}}, false) == Shape{1, 5, 1, 3});
}

TEST_CASE("group_norm, linear, matmul, softmax and attention of nothing") {
    const auto norm = [](const Inputs& in) { return group_norm(in[0], in[1], in[2], {.groups = 2}); };
    CHECK(shape_after_backward(norm, {{0, 3, 4}, {4}, {4}}) == Shape{0, 3, 4});
    CHECK(shape_after_backward(norm, {{2, 0, 4}, {4}, {4}}) == Shape{2, 0, 4});
    CHECK(shape_after_backward(norm, {{2, 3, 0}, {0}, {0}}) == Shape{2, 3, 0});
    const auto dense = [](const Inputs& in) { return linear(in[0], in[1], in[2]); };
    CHECK(shape_after_backward(dense, {{0, 4}, {3, 4}, {3}}) == Shape{0, 3});
    CHECK(shape_after_backward(dense, {{2, 0}, {3, 0}, {3}}, false) == Shape{2, 3});
    CHECK(shape_after_backward(dense, {{2, 4}, {0, 4}, {0}}) == Shape{2, 0});
    const auto product = [](const Inputs& in) { return matmul(in[0], in[1]); };
    CHECK(shape_after_backward(product, {{0, 4}, {4, 3}}) == Shape{0, 3});
    CHECK(shape_after_backward(product, {{2, 3, 0}, {2, 0, 5}}) == Shape{2, 3, 5});
    CHECK(shape_after_backward(product, {{0, 2, 3}, {0, 3, 5}}) == Shape{0, 2, 5});
    CHECK(shape_after_backward([](const Inputs& in) { return softmax(in[0]); }, {{3, 0}}) == Shape{3, 0});
    const auto attend = [](const Inputs& in) { return attention(in[0], in[1], in[2], 2); };
    CHECK(shape_after_backward(attend, {{0, 3, 4}, {0, 5, 4}, {0, 5, 4}}) == Shape{0, 3, 4});
    CHECK(shape_after_backward(attend, {{2, 0, 4}, {2, 5, 4}, {2, 5, 4}}) == Shape{2, 0, 4});
}

TEST_CASE("batch_norm and pooling of nothing") {
    const auto train = [](const Inputs& in) { return batch_norm_train(in[0], in[1], in[2]).y; };
    const auto eval = [](const Inputs& in) { return batch_norm_eval(in[0], in[1], in[2], zeros({4}), ones({4})); };
    CHECK(shape_after_backward(train, {{0, 3, 4}, {4}, {4}}) == Shape{0, 3, 4});
    CHECK(shape_after_backward(train, {{2, 0, 4}, {4}, {4}}) == Shape{2, 0, 4});
    CHECK(shape_after_backward(train, {{2, 3, 0}, {0}, {0}}) == Shape{2, 3, 0});
    CHECK(shape_after_backward(eval, {{0, 4}, {4}, {4}}) == Shape{0, 4});
    for (const auto pool : {avg_pool2d, max_pool2d}) {
        const auto op = [pool](const Inputs& in) { return pool(in[0], {}); };
        CHECK(shape_after_backward(op, {{0, 4, 4, 3}}) == Shape{0, 2, 2, 3});
        CHECK(shape_after_backward(op, {{2, 4, 6, 0}}) == Shape{2, 2, 3, 0});
    }
    CHECK(shape_after_backward([](const Inputs& in) { return global_avg_pool2d(in[0]); }, {{0, 4, 4, 3}}) == Shape{0, 3});
}

TEST_CASE("blocks of no images, and of images without pixels or channels") {
    for (const Shape& x : {Shape{0, 4, 4, 8}, Shape{2, 0, 3, 8}, Shape{2, 3, 0, 8}, Shape{2, 3, 3, 0}}) {
        CAPTURE(x);
        const std::int64_t C = x[3];
        const auto resnet = [](const Inputs& in) {
            return resnet_block(in[0], {}, in[9], {in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], {}, {}},
                                {.groups = 2});
        };
        CHECK(shape_after_backward(resnet, {x, {C}, {C}, {C, 3, 3, C}, {C}, {C}, {C}, {C, 3, 3, C}, {C}, {x[0], C}}) == x);
        const auto attend = [](const Inputs& in) {
            return attention_block(in[0], {in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], in[9], in[10]}, {.groups = 2});
        };
        CHECK(shape_after_backward(attend, {x, {C}, {C}, {C, C}, {C}, {C, C}, {C}, {C, C}, {C}, {C, C}, {C}}) == x);
    }
}

TEST_CASE("views, sums and element-wise operations of nothing") {
    CHECK(shape_after_backward([](const Inputs& in) { return silu(in[0] * in[1]); }, {{0, 3}, {1, 3}}) == Shape{0, 3});
    CHECK(shape_after_backward([](const Inputs& in) { return in[0].slice(1, 2, 2); }, {{2, 3}}) == Shape{2, 0});
    CHECK(shape_after_backward([](const Inputs& in) { return in[0].transpose(0, 1).reshape({-1}); }, {{0, 3}}) == Shape{0});
    CHECK(shape_after_backward([](const Inputs& in) { return mean(in[0], {1}); }, {{0, 3}}) == Shape{0, 1});
    CHECK(shape_after_backward([](const Inputs& in) { return concat(in, 0); }, {{0, 3}, {0, 3}}) == Shape{0, 3});
    CHECK(shape_after_backward([](const Inputs& in) { return upsample_nearest(in[0]); }, {{2, 0, 3, 4}}) == Shape{2, 0, 6, 4});
}
