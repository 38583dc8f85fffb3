#include "engine/ops/conv2d/conv2d.h"

#include <doctest/doctest.h>

#include "tests/support/op_case.h"

namespace {

using namespace lull;
using namespace lull::test;

// x, weight and bias of a convolution: kernel k, C → O channels.
std::vector<Shape> shapes(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t o, std::int64_t k) {
    return {{n, h, w, c}, {o, k, k, c}, {o}};
}

OpCases conv_cases(const std::string& golden, std::int64_t k, const Conv2dOptions& options) {
    return {golden,
            [options](const Inputs& in) { return conv2d(in[0], in[1], in[2], options); },
            {.shapes = {shapes(2, 7, 6, 1, 5, k), shapes(1, 5, 9, 3, 17, k), shapes(3, 5, 6, 17, 2, k)}, .golden = golden}};
}

}    // namespace

TEST_CASE("conv2d 3×3") { run(conv_cases("conv2d_k3", 3, {.padding = 1})); }
TEST_CASE("conv2d 3×3, stride 2") { run(conv_cases("conv2d_k3s2", 3, {.stride = 2, .padding = 1})); }
TEST_CASE("conv2d 1×1") { run(conv_cases("conv2d_k1", 1, {})); }
TEST_CASE("conv2d 5×5") { run(conv_cases("conv2d_k5", 5, {.padding = 2})); }
TEST_CASE("conv2d 3×3 without padding") { run(conv_cases("conv2d_k3p0s1", 3, {})); }
TEST_CASE("conv2d 2×2, stride 2") { run(conv_cases("conv2d_k2s2p0", 2, {.stride = 2})); }

TEST_CASE("conv2d with a stride beyond its filter, and with a filter that is not square") {
    run({"conv2d_k2s3",
         [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.stride = 3, .padding = 1}); },
         {.shapes = {shapes(2, 7, 8, 3, 4, 2)}}});
    run({"conv2d_k2x5",
         [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.stride = 2, .padding = 2}); },
         {.shapes = {{{2, 6, 9, 3}, {4, 2, 5, 3}}}}});
}

TEST_CASE("conv2d gives an image the same bits in every batch, with whole and partial register tiles") {
    const Tensor x = uniform_values({3, 11, 27, 20}, -1, 1, 1, DType::f32);
    const Tensor w = uniform_values({52, 3, 3, 20}, -1, 1, 2, DType::f32);
    const Tensor all = conv2d(x, w, {}, {.padding = 1});
    for (std::int64_t n = 0; n < 3; ++n) {
        CHECK(same_bits(conv2d(x.slice(0, n, n + 1), w, {}, {.padding = 1}), all.slice(0, n, n + 1)));
    }
    CHECK(conv2d(x.slice(0, 0, 0), w, {}, {.padding = 1}).shape() == Shape{0, 11, 27, 52});
}

TEST_CASE("conv2d says which weight it expected") {
    CHECK_THROWS_WITH(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 5}), {}),
                      "[conv2d] expected weight (O, kh, kw, 2) for x f32 (1, 4, 4, 2), got f32 (3, 3, 3, 5)");
    CHECK_THROWS_AS(conv2d(zeros({1, 2, 2, 2}), zeros({3, 3, 3, 2}), {}), Error);
    CHECK_THROWS_AS(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 2}), zeros({2})), Error);
    CHECK_THROWS_AS(conv2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 2}), {}, {.stride = 0}), Error);
}
