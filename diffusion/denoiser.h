// Denoisers: the one thing that a sampler knows about a model.
#pragma once

#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "diffusion/preconditioner.h"
#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/tensor.h"
#include "nn/module.h"

namespace lull {

// D(x; σ): the mean of all clean images y that x = y + σ n, n ~ N(0, I), may have come from. x: (N, …), the same σ > 0 for
// all images, in units of the data's range. Returns a tensor of x's shape and type; image i depends on x's image i alone.
// The score is (D - x) / σ². A denoiser that knows better than σ (from a noise-level predictor) uses its own σ inside.
using Denoiser = std::function<Tensor(const Tensor& x, double sigma)>;

// D with each image's own σ: (N, 1, …, 1), otherwise as above.
using PerImageDenoiser = std::function<Tensor(const Tensor& x, const Tensor& sigma)>;

// Its σ for the N images of x: N values, or the same for all.
inline Tensor sigmas_of(const Tensor& x, std::span<const double> values) {
    Shape shape = x.shape();
    for (int axis = 1; axis < shape.rank(); ++axis) shape[axis] = 1;
    return from_values(values, shape, x.dtype()).to(x.device());
}
inline Tensor sigmas_of(const Tensor& x, double value) {
    return sigmas_of(x, std::vector<double>(static_cast<std::size_t>(x.size(0)), value));
}

// F(x; c_noise): a network of one input in units of variance, and one number per image. x: (N, H, W, C), c_noise: (N).
// Returns x's shape. A module is passed as std::ref(unet), or through network_of, which binds class labels and chooses the
// precision.
using Network = std::function<Tensor(const Tensor& x, const Tensor& c_noise)>;

// A U-Net, or a module that is called as one: module(x, c_noise, labels).
template <class M>
concept UNetLike = Module<M> && std::is_invocable_r_v<Tensor, const M&, const Tensor&, const Tensor&, const Tensor&>;

// A module as a network that computes in `precision`, f32 or bf16: its weights are converted here, once (cast in nn/module.h),
// x in every call, and the answer comes back in x's type. It computes where the parameters lie, and answers where x does. While
// gradients are recorded they arrive in the module's own parameters, so a training pass makes its network anew. labels: of the
// images of every call, for a conditional U-Net.
template <UNetLike M>
Network network_of(const M& module, DType precision = DType::f32, const Tensor& labels = {}) {
    const Device there = device_of(module);
    const Tensor classes = labels.defined() ? labels.to(there) : labels;
    return [cast_module = cast(module, precision), precision, there, classes](const Tensor& x, const Tensor& c_noise) {
        return cast_module(x.to(there).to(precision), c_noise.to(there), classes).to(x.dtype()).to(x.device());
    };
}

// The preconditioned network with the mean taken out: F(c_in (x - mean); c_noise). p: one of preconditioner.h, or a value like
// them. sigma: double or Tensor (N, 1, …, 1). Throws Error when the network changes the shape, which broadcasting would hide.
template <class P, class S>
Tensor network_output(const Network& network, const P& p, const Tensor& x, const S& sigma) {
    const S time = c_noise(p.time_input, sigma);
    Tensor per_image;    // (N)
    if constexpr (std::is_same_v<S, Tensor>)
        per_image = time.reshape({x.size(0)});
    else
        per_image = full({x.size(0)}, time, x.dtype(), x.device());

    Tensor output = network(p.c_in(sigma) * (x - p.mean), per_image);
    check(output.shape() == x.shape(), "denoiser", "expected a network output of shape ", x.shape(), ", got ", output);
    return output;
}

// D(x; σ) = mean + c_skip (x - mean) + c_out F(c_in (x - mean); c_noise). Differentiable.
template <class P, class S>
Tensor denoise(const Network& network, const P& p, const Tensor& x, const S& sigma) {
    return p.mean + p.c_skip(sigma) * (x - p.mean) + p.c_out(sigma) * network_output(network, p, x, sigma);
}
template <class S>
Tensor denoise(const Network& network, const Preconditioner& p, const Tensor& x, const S& sigma) {
    return std::visit([&](const auto& row) { return denoise(network, row, x, sigma); }, p);
}

// A network behind a preconditioner, for sampling: nothing is recorded for gradients.
template <class P>
Denoiser denoiser(Network network, const P& p) {
    return [network = std::move(network), p](const Tensor& x, double sigma) {
        const NoGrad no_grad;
        return denoise(network, p, x, sigma);
    };
}

// The same for levels that differ from image to image.
template <class P>
PerImageDenoiser per_image_denoiser(Network network, const P& p) {
    return [network = std::move(network), p](const Tensor& x, const Tensor& sigma) {
        const NoGrad no_grad;
        return denoise(network, p, x, sigma);
    };
}

}    // namespace lull
