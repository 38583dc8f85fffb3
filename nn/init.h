// Initial values. Every number is a function of the seed, the parameter's number and the place in it (engine/random.h).
#pragma once

#include <cstdint>
#include <string>

#include "engine/random.h"
#include "nn/layers/batch_norm.h"
#include "nn/layers/conv2d.h"
#include "nn/layers/embedding.h"
#include "nn/layers/group_norm.h"
#include "nn/layers/linear.h"
#include "nn/layers/timestep_embedding.h"
#include "nn/module.h"

namespace lull {

// Writes PyTorch's default values into layers; parameters are numbered in the order they come. Convolution and linear
// layers: weight and bias uniform in ±1/√fan_in (for the weight that is kaiming_uniform with a = √5). GroupNorm and BatchNorm: 1
// and 0. Embedding: N(0, 1). Fourier frequencies: N(0, 16²), as diffusers' U-Net has them.
class PyTorchInitialiser {
  public:
    explicit PyTorchInitialiser(std::uint64_t seed) : seed_(seed) {}
    void operator()(const std::string& name, Conv2d& layer);
    void operator()(const std::string& name, Linear& layer);
    void operator()(const std::string& name, GroupNorm& layer);
    void operator()(const std::string& name, BatchNorm& layer);
    void operator()(const std::string& name, Embedding& layer);
    void operator()(const std::string& name, GaussianFourierProjection& layer);

  private:
    RandomStream next() { return {seed_, Purpose::initialise, number_++}; }
    void fan_in_uniform(Tensor& weight, Tensor& bias);

    std::uint64_t seed_, number_ = 0;
};

template <Module M>
void initialise_pytorch(M& module, std::uint64_t seed) {
    for_each(module, PyTorchInitialiser(seed));
}

struct UNet;
struct ResNet;

// The lesson's: PyTorch's defaults, then weights (not biases) zero for the second convolution of each residual block of the
// down and up blocks (not the middle's) and for the last convolution, so that a block starts as its shortcut and the
// network's answer as the same number everywhere; and orthogonal downsampling filters.
void initialise_lesson(UNet& unet, std::uint64_t seed);

// The lesson's: PyTorch's defaults, then filters He-normal for the network's leaky activation.
void initialise_he(ResNet& net, std::uint64_t seed);

// N(0, 2 / ((1 + slope²) fan_in)), so that a leaky ReLU of that slope keeps the variance (He et al. 2015, arXiv 1502.01852).
void he_normal(Tensor& weight, double slope, const RandomStream& stream);

// Rows (the first axis, all others flattened) or columns, whichever are fewer, become orthonormal: the Q of a Gaussian
// matrix's QR in f64, with R's diagonal positive, so that it is uniform over such matrices (as torch.nn.init.orthogonal_).
void orthogonal(Tensor& weight, const RandomStream& stream);

}    // namespace lull
