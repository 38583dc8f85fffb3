#include "engine/ops/resnet_block/resnet_block.h"

#include <doctest/doctest.h>

#include "engine/cuda/runtime.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"
#include "tests/support/op_case.h"

namespace {

using namespace lull;
using namespace lull::test;

ResnetBlockWeights weights_from(const Inputs& in, std::size_t at) {
    const auto next = [&] { return at < in.size() ? in[at++] : Tensor(); };
    ResnetBlockWeights w;
    for (Tensor* t : {&w.norm1_weight, &w.norm1_bias, &w.conv1_weight, &w.conv1_bias, &w.norm2_weight, &w.norm2_bias,
                      &w.conv2_weight, &w.conv2_bias, &w.shortcut_weight, &w.shortcut_bias}) {
        *t = next();
    }
    return w;
}

// Inputs in the order of the golden values: x, skip, emb, weights; and without skip.
using Block = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ResnetBlockWeights&, const ResnetBlockOptions&);
template <Block block>
Tensor with_skip(const Inputs& in) {
    return block(in[0], in[1], in[2], weights_from(in, 3), {.groups = 4});
}
template <Block block>
Tensor plain(const Inputs& in) {
    return block(in[0], {}, in[1], weights_from(in, 2), {.groups = 4});
}
template <Block block>
Tensor without_emb(const Inputs& in) {
    return block(in[0], {}, {}, weights_from(in, 1), {.groups = 4});
}

// On CUDA what lies between the parts of the block is stored in bf16, too: six roundings in a chain. They show most in gradients
// that are sums over few pixels (0.0124 was seen); the CPU computes in f32 from end to end.
double bf16_tolerance() { return cuda::available() ? 0x1p-6 : 0x1p-8; }

std::vector<Shape> weight_shapes(std::int64_t C, std::int64_t O, bool shortcut) {
    std::vector<Shape> shapes{{C}, {C}, {O, 3, 3, C}, {O}, {O}, {O}, {O, 3, 3, O}, {O}};
    if (shortcut) shapes.insert(shapes.end(), {{O, 1, 1, C}, {O}});
    return shapes;
}
std::vector<Shape> joined(std::vector<Shape> front, const std::vector<Shape>& back) {
    front.insert(front.end(), back.begin(), back.end());
    return front;
}

}    // namespace

TEST_CASE("resnet_block with a skip, fused and composed") {
    // The seam between x and skip at a whole vector and inside one; a sum as the shortcut.
    const OpCaseOptions options{.shapes = {joined({{2, 3, 2, 16}, {2, 3, 2, 4}, {2, 8}}, weight_shapes(20, 8, true)),
                                           joined({{1, 2, 3, 5}, {1, 2, 3, 3}, {1, 8}}, weight_shapes(8, 8, true)),
                                           joined({{2, 2, 2, 3}, {2, 2, 2, 5}, {2, 8}}, weight_shapes(8, 8, false))},
                                .golden = "resnet_block_skip",
                                .bf16_tolerance = bf16_tolerance()};
    run({"resnet_block", with_skip<resnet_block>, options});
    run({"resnet_block_composed", with_skip<resnet_block_composed>, {.shapes = {}, .golden = "resnet_block_skip"}});
}

TEST_CASE("resnet_block without a skip, fused and composed") {
    const OpCaseOptions options{.shapes = {joined({{17, 2, 2, 8}, {17, 8}}, weight_shapes(8, 8, false)),
                                           joined({{1, 3, 2, 8}, {1, 12}}, weight_shapes(8, 12, true))},
                                .golden = "resnet_block_plain",
                                .bf16_tolerance = bf16_tolerance()};
    run({"resnet_block", plain<resnet_block>, options});
    run({"resnet_block_composed", plain<resnet_block_composed>, {.shapes = {}, .golden = "resnet_block_plain"}});
    run({"resnet_block",
         without_emb<resnet_block>,
         {.shapes = {joined({{1, 2, 2, 8}}, weight_shapes(8, 8, false))}, .bf16_tolerance = bf16_tolerance()}});
}

// Convolutions by Winograd's tiles, with partial sums of the filters' gradients, and (64 channels) with images' points that are
// kept to the end of a round; more than one group of images, and more than one round of groups.
TEST_CASE("resnet_block with wide layers") {
    run({"resnet_block",
         with_skip<resnet_block>,
         {.shapes = {joined({{2, 5, 4, 16}, {2, 5, 4, 16}, {2, 16}}, weight_shapes(32, 16, true)),
                     joined({{3, 4, 4, 20}, {3, 4, 4, 12}, {3, 32}}, weight_shapes(32, 32, false))},
          .bf16_tolerance = bf16_tolerance()}});
    // CUDA's kernels know no groups, and where the CPU executes them many images take minutes.
    const std::int64_t images = cuda::available() ? 3 : 35, larger = cuda::available() ? 2 : 9;
    run({"resnet_block",
         plain<resnet_block>,
         {.shapes = {joined({{images, 2, 3, 64}, {images, 64}}, weight_shapes(64, 64, false)),
                     joined({{larger, 8, 8, 48}, {larger, 64}}, weight_shapes(48, 64, true))},
          .bf16_tolerance = bf16_tolerance()}});
}

TEST_CASE("resnet_block fused equals its composition, at a U-Net's sizes") {
    const std::int64_t N = 3, C1 = 32, C2 = 16, O = 32;
    const auto shapes = joined({{N, 16, 16, C1}, {N, 16, 16, C2}, {N, O}}, weight_shapes(C1 + C2, O, true));
    const auto evaluate = [&](Tensor (*op)(const Inputs&)) {
        Inputs in;
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            in.push_back(uniform_values(shapes[i], -0.5, 0.5, static_cast<unsigned>(i), DType::f32));
            in.back().requires_grad();
        }
        const Tensor y = op(in);
        const Tensor weights = uniform_values(y.shape(), -1, 1, 99, DType::f32);
        sum(y * weights).backward();
        std::vector<Tensor> results{y.detach()};
        for (const Tensor& t : in) results.push_back(t.grad());
        return results;
    };
    const auto fused = evaluate(with_skip<resnet_block>), composed = evaluate(with_skip<resnet_block_composed>);
    for (std::size_t i = 0; i < fused.size(); ++i) {
        CAPTURE(i);
        // Both are f32 sums of up to 768·48·9 products in different orders.
        CHECK(relative_error(fused[i], composed[i]) <= 1e-5);
    }
}

TEST_CASE("resnet_block gives an image the same bits in every batch, recorded or not") {
    const std::int64_t N = 5, C = 24;
    Inputs in{uniform_values({N, 8, 8, C}, -1, 1, 1, DType::f32), uniform_values({N, C}, -1, 1, 2, DType::f32)};
    for (const Shape& shape : weight_shapes(C, C, false)) in.push_back(uniform_values(shape, -0.3, 0.3, 3, DType::f32));
    const Tensor all = plain<resnet_block>(in);
    Inputs recorded = in;
    recorded[0].requires_grad();
    CHECK(same_bits(plain<resnet_block>(recorded), all));
    for (std::int64_t n = 0; n < N; ++n) {
        Inputs one = in;
        for (std::size_t i = 0; i < 2; ++i) one[i] = in[i].slice(0, n, n + 1);
        CHECK(same_bits(plain<resnet_block>(one), all.slice(0, n, n + 1)));
    }
}

TEST_CASE("resnet_block says what it expected") {
    Inputs in{zeros({1, 4, 4, 8}), zeros({1, 4})};
    for (const Shape& shape : weight_shapes(8, 4, false)) in.push_back(zeros(shape));
    CHECK_THROWS_WITH(plain<resnet_block>(in),
                      "[resnet_block] expected a shortcut weight (4, 1, 1, 8) where the channels change, got none");
    in[1] = zeros({2, 4});
    CHECK_THROWS_WITH(plain<resnet_block>(in), "[resnet_block] expected emb f32 (1, 4), got f32 (2, 4)");
}
