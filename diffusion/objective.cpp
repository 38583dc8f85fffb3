#include "diffusion/objective.h"

#include <vector>

#include "engine/ops/mse/mse.h"
#include "engine/ops/noised/noised.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"

namespace lull {

namespace {

std::vector<RandomStream> noise_streams(std::uint64_t seed, std::span<const std::uint64_t> positions) {
    std::vector<RandomStream> streams;
    for (const std::uint64_t position : positions) streams.push_back({seed, Purpose::noise, position});
    return streams;
}

void check_images(const Tensor& y, std::span<const std::uint64_t> positions) {
    check(y.rank() == 4 && y.size(0) == static_cast<std::int64_t>(positions.size()), "add_noise",
          "expected images (N, H, W, C) and N positions in the stream, got ", y, " and ", positions.size(), " positions");
}

DenoisingLoss compared(const Tensor& output, const Tensor& target, const Tensor& sigma) {
    const Tensor loss = mse(output, target);
    const NoGrad no_grad;
    return {loss, mean(sq(output.detach() - target), {1, 2, 3}), sigma};
}

// What noised and the network are told of each image.
struct ImageNumbers {
    Tensor factors;    // (N, 4)
    Tensor c_noise;    // (N)
};

// input = c_in (x - mean) and network_target, as mixtures of y - mean and n.
ImageNumbers numbers_of(const Preconditioner& p, const Tensor& sigmas, Device device) {
    std::vector<double> factors, times;
    for (const double sigma : sigmas.values()) {
        std::visit(
            [&](const auto& row) {
                const double c_in = row.c_in(sigma), c_skip = row.c_skip(sigma), c_out = row.c_out(sigma);
                factors.insert(factors.end(), {c_in, c_in * sigma, (1 - c_skip) / c_out, -c_skip * sigma / c_out});
                times.push_back(c_noise(row.time_input, sigma));
            },
            p);
    }
    const std::int64_t n = sigmas.size(0);
    return {from_values(factors, {n, 4}).to(device), from_values(times, {n}).to(device)};
}

}    // namespace

NoisyImages add_noise(const Tensor& y, const NoiseDistribution& distribution, std::uint64_t seed,
                      std::span<const std::uint64_t> positions) {
    check_images(y, positions);
    Tensor n = empty_like(y);
    fill_normal(n, noise_streams(seed, positions));
    const Tensor sigma = draw_sigmas(distribution, seed, positions, y.dtype()).to(y.device());
    return {y + sigma * n, sigma, n};
}

Tensor network_target(const Preconditioner& p, const Tensor& y, const NoisyImages& noisy) {
    const auto& [x, sigma, n] = noisy;
    check(y.shape() == x.shape() && y.shape() == n.shape(), "denoising_loss",
          "expected clean and noisy images and noise of one shape, got ", y, ", ", x, " and ", n);
    return std::visit(
        [&](const auto& row) {
            const auto c_skip = row.c_skip(sigma);
            return ((1 - c_skip) * (y - row.mean) - c_skip * sigma * n) / row.c_out(sigma);
        },
        p);
}

DenoisingLoss denoising_loss(const Network& network, const Preconditioner& p, const Tensor& y, const NoisyImages& noisy) {
    const Tensor target = network_target(p, y, noisy);
    const Tensor output = std::visit([&](const auto& row) { return network_output(network, row, noisy.x, noisy.sigma); }, p);
    return compared(output, target, noisy.sigma);
}

DenoisingLoss denoising_loss(const Network& network, const Preconditioner& p, const Tensor& y,
                             const NoiseDistribution& distribution, std::uint64_t seed,
                             std::span<const std::uint64_t> positions) {
    if (y.device() == Device::cpu) return denoising_loss(network, p, y, add_noise(y, distribution, seed, positions));
    check_images(y, positions);
    const Tensor sigma = draw_sigmas(distribution, seed, positions, DType::f32);
    const auto [factors, c_noise] = numbers_of(p, sigma, y.device());
    const auto [input, target] = noised(y, noise_streams(seed, positions), factors, mean_of(p));
    const Tensor output = network(input, c_noise);
    check(output.shape() == y.shape(), "denoiser", "expected a network output of shape ", y.shape(), ", got ", output);
    return compared(output, target, sigma);
}

}    // namespace lull
