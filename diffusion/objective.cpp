#include "diffusion/objective.h"

#include <vector>

#include "engine/ops/mse/mse.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"

namespace lull {

NoisyImages add_noise(const Tensor& y, const NoiseLevels& noise_levels, std::uint64_t seed,
                      std::span<const std::uint64_t> positions) {
    check(y.rank() == 4 && y.size(0) == static_cast<std::int64_t>(positions.size()), "add_noise",
          "expected images (N, H, W, C) and N positions in the stream, got ", y, " and ", positions.size(), " positions");
    std::vector<RandomStream> streams;
    for (const std::uint64_t position : positions) streams.push_back({seed, Purpose::noise, position});
    Tensor n = empty_like(y);
    fill_normal(n, streams);
    const Tensor sigma = draw_sigmas(noise_levels, seed, positions, y.dtype());
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
    const Tensor loss = mse(output, target);

    const NoGrad no_grad;
    return {loss, mean(sq(output.detach() - target), {1, 2, 3})};
}

}    // namespace lull
