#include "nn/init.h"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <span>

#include "engine/ops/copy/copy.h"
#include "engine/ops/elementwise/elementwise.h"
#include "nn/resnet.h"
#include "nn/unet.h"

namespace lull {

namespace {

// A write that autograd does not see; what was derived from the weight is stale.
void assign(Tensor& weight, const Tensor& values) {
    copy(values, weight);
    weight.storage()->changed();
}

void fill_constant(Tensor& weight, double value) { assign(weight, full(weight.shape(), value)); }

// Uniform in [-bound, bound).
void fill_symmetric(Tensor& weight, double bound, const RandomStream& stream) {
    assign(weight, bound * (2 * random_uniform(weight.shape(), stream) - 1));
}

}    // namespace

void PyTorchInitialiser::fan_in_uniform(Tensor& weight, Tensor& bias) {
    const double fan_in = static_cast<double>(weight.elements() / weight.size(0));
    fill_symmetric(weight, 1 / std::sqrt(fan_in), next());
    if (bias.defined()) fill_symmetric(bias, 1 / std::sqrt(fan_in), next());
}

void PyTorchInitialiser::operator()(const std::string&, Conv2d& layer) { fan_in_uniform(layer.weight, layer.bias); }
void PyTorchInitialiser::operator()(const std::string&, Linear& layer) { fan_in_uniform(layer.weight, layer.bias); }

void PyTorchInitialiser::operator()(const std::string&, GroupNorm& layer) {
    number_ += 2;    // they have numbers like all parameters, and need none drawn
    fill_constant(layer.weight, 1);
    fill_constant(layer.bias, 0);
}

void PyTorchInitialiser::operator()(const std::string&, BatchNorm& layer) {
    number_ += 2;
    fill_constant(layer.weight, 1);
    fill_constant(layer.bias, 0);
    fill_constant(layer.running_mean.tensor, 0);
    fill_constant(layer.running_var.tensor, 1);
}

void PyTorchInitialiser::operator()(const std::string&, Embedding& layer) {
    assign(layer.weight, random_normal(layer.weight.shape(), next()));
}

void PyTorchInitialiser::operator()(const std::string&, GaussianFourierProjection& layer) {
    assign(layer.weight, 16 * random_normal(layer.weight.shape(), next()));
}

void orthogonal(Tensor& weight, const RandomStream& stream) {
    const std::int64_t rows = weight.size(0), columns = weight.elements() / rows;
    const std::int64_t longer = std::max(rows, columns), shorter = std::min(rows, columns);
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    const Tensor gaussian = random_normal({longer, shorter}, stream, DType::f64);
    const Eigen::HouseholderQR<Matrix> qr(Eigen::Map<const Matrix>(gaussian.data<double>(), longer, shorter));
    Matrix q = qr.householderQ() * Matrix::Identity(longer, shorter);
    for (Eigen::Index i = 0; i < shorter; ++i) {
        if (qr.matrixQR()(i, i) < 0) q.col(i) *= -1;
    }
    const Matrix w = rows >= columns ? q : Matrix(q.transpose());
    assign(weight, from_values(std::span(w.data(), static_cast<std::size_t>(w.size())), weight.shape()));
}

void he_normal(Tensor& weight, double slope, const RandomStream& stream) {
    const double fan_in = static_cast<double>(weight.elements() / weight.size(0));
    assign(weight, std::sqrt(2 / ((1 + sq(slope)) * fan_in)) * random_normal(weight.shape(), stream));
}

void initialise_he(ResNet& net, std::uint64_t seed) {
    initialise_pytorch(net, seed);
    std::uint64_t number = parameters_of(net).size();    // streams past those of the defaults
    for_each(net, [&](const std::string&, Conv2d& conv) {
        he_normal(conv.weight, net.config.slope, {seed, Purpose::initialise, number++});
    });
}

void initialise_lesson(UNet& unet, std::uint64_t seed) {
    initialise_pytorch(unet, seed);
    fill_constant(unet.conv_out.weight, 0);

    const auto zero_conv2 = [](const std::string&, ResnetBlock& block) { fill_constant(block.conv2.weight, 0); };
    for_each(unet.down_blocks, zero_conv2);
    for_each(unet.up_blocks, zero_conv2);

    // Streams of their own: one past all parameters' and on.
    std::uint64_t number = parameters_of(unet).size();
    for (DownBlock& block : unet.down_blocks) {
        if (block.downsample) orthogonal(block.downsample->weight, {seed, Purpose::initialise, number++});
    }
}

}    // namespace lull
