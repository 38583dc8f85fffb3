// Loss by noise level. The plain loss is a mean over σ and soon stands still: at high σ there is little to know, at low σ
// little left to do, and what the network still learns in between hardly shows in the mean.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "diffusion/sigmas.h"
#include "engine/tensor.h"

namespace lull {

// λ(σ) ‖D(y + σ n; σ) - y‖², the mean over the elements of one training image.
struct ImageLoss {
    double sigma, loss;
};

// The same of the N images of a pass, N elements each; and their numbers, which are waited for when they lie on CUDA.
struct ImageLosses {
    Tensor sigma, loss;
};
std::vector<ImageLoss> read(std::span<const ImageLosses> passes);

// Eight buckets over the noise levels that training draws: half a standard deviation of ln σ each, from two below its mean to
// two above. The outer two also take what lies beyond: of log-normal levels they have 6.7% of the images each, those in the
// middle 19%.
struct SigmaBuckets {
    static constexpr std::size_t kCount = 8;
    NoiseDistribution noise_distribution;
    LogNormal spread = log_normal(noise_distribution);    // mean and standard deviation of ln σ

    std::size_t operator()(double sigma) const;       // which one
    std::array<double, kCount - 1> bounds() const;    // σ between them, ascending
    std::array<double, kCount> centres() const;       // σ in their middle
};

// The mean loss of each bucket's images. A bucket without images has mean 0.
struct SigmaMeans {
    std::array<double, SigmaBuckets::kCount> loss{};
    std::array<std::int64_t, SigmaBuckets::kCount> images{};

    void add(std::size_t bucket, double image_loss);
    void add(const SigmaMeans& more);
};

// {"images": […], "loss": […]}; numbers come back as they were, bit for bit. Reading throws nlohmann::json::exception.
nlohmann::json to_json(const SigmaMeans& means);
SigmaMeans sigma_means_from_json(const nlohmann::json& json);

// The images of the steps up to this one, since the record before.
struct SigmaRecord {
    std::int64_t step;
    SigmaMeans means;
};

// Which noise levels spoiled a step: "2 of 64 images have no finite loss, at sigma 0.0021 to 0.0035", or where all losses are
// finite "the largest loss of its 64 images, 3.1e+30, is at sigma 0.0021". Empty without images.
std::string worst_sigmas(std::span<const ImageLoss> images);

}    // namespace lull
