// Two dots in the plane, 70% of the points around the left one: a network of two layers learns to draw such points from
// noise. Prints how many lie on the right, for the network's and for the exact denoiser's.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/objective.h"
#include "diffusion/samplers.h"
#include "engine/ops.h"
#include "nn/init.h"
#include "nn/layers/linear.h"
#include "nn/trainer.h"

using namespace lull;

struct TwoLayers {
    Linear linear_1{3, 128}, linear_2{128, 2};

    // x: (N, 1, 1, 2), c_noise: (N) → (N, 1, 1, 2)
    Tensor operator()(const Tensor& x, const Tensor& c_noise) const {
        const Tensor input = concat({x.reshape({-1, 2}), c_noise.reshape({-1, 1})}, 1);    // (N, 3)
        return linear_2(silu(linear_1(input))).reshape(x.shape());
    }
    template <class V>
    void visit(V& v) {
        v("linear_1", linear_1);
        v("linear_2", linear_2);
    }
};

double share_right(const Denoiser& D) {
    std::vector<std::uint64_t> seeds(4096);
    std::iota(seeds.begin(), seeds.end(), 0);
    const auto points = sample_heun(D, start_noise(seeds, {1, 1, 2}, 20), karras_sigmas(18, 0.002, 20)).values();
    int right = 0;
    for (std::size_t i = 0; i < points.size(); i += 2) right += points[i] > 0;
    return right / 4096.0;
}

int main() {
    const GaussianMixture mixture({{.weight = 0.7, .mean = {-1, 0}, .std = 0.2}, {.weight = 0.3, .mean = {1, 0}, .std = 0.2}});
    const EdmPreconditioner edm{.sigma_data = 0.7};
    TwoLayers network;
    initialise_pytorch(network, /*seed=*/0);
    Parameters parameters(network);
    AdamW optimizer;
    const auto loss = [&](Positions batch) {
        const Tensor y = mixture.draw(batch).reshape({-1, 1, 1, 2});
        return denoising_loss(std::ref(network), edm, y, add_noise(y, LogNormal{.mean = 0}, /*seed=*/1, batch)).loss;
    };
    train(parameters, optimizer, loss, {.steps = 1000, .batch = 256, .schedule = OneCycle{1e-2, 1000}});

    const double learned = share_right(denoiser(parameters.averaged(network), edm)), exact = share_right(mixture.denoiser());
    std::printf("on the right: %.3f learned, %.3f exact, 0.300 in truth\n", learned, exact);
    return std::abs(learned - 0.3) < 0.05 ? 0 : 1;
}
