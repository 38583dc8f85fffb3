#include "diffusion/objective.h"

#include <vector>

#include "engine/ops/mse/mse.h"
#include "engine/ops/reduce/reduce.h"
#include "engine/random.h"

namespace lull {

NoisyImages add_noise(const Tensor& y, const LogNormal& noise_level, std::uint64_t seed,
                      std::span<const std::uint64_t> positions) {
    check(y.rank() == 4 && y.size(0) == static_cast<std::int64_t>(positions.size()), "add_noise",
          "expected images (N, H, W, C) and N positions in the stream, got ", y, " and ", positions.size(), " positions");
    std::vector<RandomStream> streams;
    for (const std::uint64_t position : positions) streams.push_back({seed, Purpose::noise, position});
    Tensor n = empty_like(y);
    fill_normal(n, streams);
    const Tensor sigma = noise_level.draw(seed, positions, y.dtype());
    return {y + sigma * n, sigma};
}

Tensor network_target(const EdmPreconditioner& edm, const Tensor& y, const NoisyImages& noisy) {
    const auto& [x, sigma] = noisy;
    check(y.shape() == x.shape(), "edm_loss", "expected clean and noisy images of one shape, got ", y, " and ", x);
    return (y - edm.mean - edm.c_skip(sigma) * (x - edm.mean)) / edm.c_out(sigma);
}

EdmLoss edm_loss(const Network& network, const EdmPreconditioner& edm, const Tensor& y, const NoisyImages& noisy) {
    const Tensor output = network_output(network, edm, noisy.x, noisy.sigma);
    const Tensor target = network_target(edm, y, noisy);
    const Tensor loss = mse(output, target);

    const NoGrad no_grad;
    return {loss, mean(sq(output.detach() - target), {1, 2, 3})};
}

}    // namespace lull
