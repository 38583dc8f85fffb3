#include "nn/init.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "engine/ops/matmul/matmul.h"
#include "nn/unet.h"
#include "tests/support/compare.h"

namespace lull {
namespace {

const UNetConfig kSmall{.channels = {8, 16}, .attention = {false, true}, .layers_per_block = 1, .head_dim = 4, .groups = 4};

// max |W Wᵀ - 1| over the rows of W, (rows, columns).
double row_error(const Tensor& w) {
    const Tensor wide = w.to(DType::f64);
    Tensor identity = zeros({w.size(0), w.size(0)}, DType::f64);
    for (std::int64_t i = 0; i < w.size(0); ++i) identity.data<double>()[i * w.size(0) + i] = 1;
    return test::absolute_error(matmul(wide, wide, {.transpose_b = true}), identity);
}

TEST_CASE("PyTorch's weights and biases are uniform in ±1/√fan_in") {
    Conv2d conv(16, 64, 3);
    initialise_pytorch(conv, 1);
    const double bound = 1 / std::sqrt(16 * 9);
    const std::vector<double> w = conv.weight.values();
    double sum = 0, squares = 0;
    for (const double x : w) sum += x, squares += x * x;
    CHECK(test::largest(conv.weight) <= bound);
    CHECK(test::largest(conv.weight) > 0.999 * bound);
    const double n = static_cast<double>(w.size());    // 9216
    CHECK(std::abs(sum / n) < 4 * bound / std::sqrt(3 * n));
    CHECK(squares / n == doctest::Approx(bound * bound / 3).epsilon(4 * std::sqrt(0.8 / n)));    // Var x² = 4/45, E x² = 1/3
    CHECK(test::largest(conv.bias) <= bound);
    CHECK(test::largest(conv.bias) > bound / 2);
}

TEST_CASE("initial weights are a function of the seed and the parameter's number") {
    UNet a(kSmall), b(kSmall), c(kSmall);
    initialise_pytorch(a, 7);
    initialise_pytorch(b, 7);
    initialise_pytorch(c, 8);
    CHECK(test::same_bits(a.mid_block->resnets[1].conv2.weight, b.mid_block->resnets[1].conv2.weight));
    CHECK_FALSE(test::same_bits(a.mid_block->resnets[1].conv2.weight, c.mid_block->resnets[1].conv2.weight));
    CHECK_FALSE(test::same_bits(a.mid_block->resnets[0].conv2.weight, a.mid_block->resnets[1].conv2.weight));

    const std::vector<NamedTensor> all = parameters_of(a);
    std::uint64_t number = 0;
    while (all[number].name != "mid_block.resnets.1.conv2.weight") ++number;
    const double uniform = RandomStream{7, Purpose::initialise, number}.uniform();
    CHECK(all[number].tensor.values()[0] == doctest::Approx((2 * uniform - 1) / std::sqrt(16 * 9)).epsilon(1e-5));
}

TEST_CASE("the lesson's weights: zero in the last convolutions but the middle's, orthogonal where the image is halved") {
    UNet unet(kSmall);
    initialise_lesson(unet, 3);
    for (const auto& [name, tensor] : parameters_of(unet)) {
        CAPTURE(name);
        const bool last = name.ends_with("conv2.weight") && !name.starts_with("mid_block");
        const bool zero = last || name == "conv_out.weight" || (name.find("norm") != std::string::npos && name.ends_with("bias"));
        CHECK((test::largest(tensor) == 0) == zero);
    }
    CHECK(row_error(unet.down_blocks[0].downsample->weight.reshape({8, -1})) < 1e-6);
    CHECK(test::largest(unet.conv_norm_out.weight) == 1);

    const std::vector<double> answer = unet(random_normal({2, 4, 4, 1}, {4, Purpose::data, 0}), zeros({2})).values();
    for (const double value : answer) CHECK(value == answer.front());
}

TEST_CASE("matrices that are taller than wide get orthonormal columns: the Q of a QR with R's diagonal positive") {
    Tensor tall = zeros({12, 5});
    orthogonal(tall, {1, Purpose::initialise, 0});
    CHECK(row_error(tall.transpose(0, 1).contiguous()) < 1e-6);

    // R = Qᵀ A has a positive diagonal.
    const Tensor a = random_normal({12, 5}, {1, Purpose::initialise, 0});
    const std::vector<double> r = matmul(tall, a, {.transpose_a = true}).values();
    for (std::size_t i = 0; i < 5; ++i) CHECK(r[6 * i] > 0);
}

}    // namespace
}    // namespace lull
