// Images from seeds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "diffusion/sampler_choice.h"
#include "diffusion/sigmas.h"
#include "engine/tensor.h"

namespace lull {

// How a picture is made, besides its seed.
struct SamplingPlan {
    SamplerChoice choice;
    int steps = 18;
    double sigma_min = 0.002, sigma_max = 80, rho = 7;    // EDM's grid, in units of the data's range

    std::vector<double> sigmas() const { return karras_sigmas(steps, sigma_min, sigma_max, rho); }
};

// One image per seed, (N, H, W, C), `batch` of them at a time; an image's bits depend on its own seed alone. image: the
// shape of one, (H, W, C). on_step: called with how many of the batches × steps sampler steps are done.
Tensor generate(const Denoiser& D, const Shape& image, std::span<const std::uint64_t> seeds, const SamplingPlan& plan,
                std::int64_t batch, const std::function<void(std::int64_t)>& on_step = {});

// Images as one picture with everything that says how they came about in its text. black, white: the values to be shown so.
void write_grid(const std::filesystem::path& path, const Tensor& images, double black, double white,
                const std::map<std::string, std::string>& text, int scale = 1);

// The text of such a picture.
std::map<std::string, std::string> describe(const SamplingPlan& plan, std::span<const std::uint64_t> seeds);

}    // namespace lull
