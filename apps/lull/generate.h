// Images from seeds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/lull/model.h"
#include "diffusion/sampler_choice.h"
#include "diffusion/sigmas.h"
#include "engine/tensor.h"

namespace lull {

// Which noise levels a sampler visits: karras_sigmas, or the lesson's cosine_sigmas.
enum class Grid { karras, cosine };

// How a picture is made, besides its seed.
struct SamplingPlan {
    SamplerChoice choice;
    Grid grid = Grid::karras;
    int steps = 18;                                       // of the cosine grid: noise levels, 0 among them
    double sigma_min = 0.002, sigma_max = 80, rho = 7;    // of the Karras grid, in units of the data's range
    Device device = Device::cpu;                          // where the sampler computes

    std::vector<double> sigmas() const;    // descending to 0
    // The level of the noise that images start from: the first σ; for ddim √(1+σ²), so that its x_t is N(0, I).
    double start_level() const;
};

// labels[first], … as networks take them: (count) i32; undefined when there are none.
Tensor label_tensor(std::span<const std::int32_t> labels, std::int64_t first, std::int64_t count);

// Which images: one per seed. labels: the class of each, for a conditional model; empty for another.
struct ImageList {
    std::vector<std::uint64_t> seeds;
    std::vector<std::int32_t> labels{};

    std::int64_t size() const { return std::ssize(seeds); }
};

// The denoiser of images of these classes, (N) i32; of an unconditional model, for which they are undefined.
using ConditionalDenoiser = std::function<Denoiser(const Tensor& labels)>;

// From noise to images of these classes, as samplers do it.
using BatchSampler =
    std::function<Tensor(const Tensor& labels, const Tensor& noise, std::span<const double> sigmas, const Sampling& run)>;

// The plan's sampler with these denoisers.
BatchSampler ordinary(const ConditionalDenoiser& D, const SamplingPlan& plan);

// Where a batch is after one of its steps.
struct SamplerState {
    std::int64_t first;    // the place of its first image in the list
    int step;              // from 0; -1: the noise that it starts from
    double sigma;          // the noise level that x has reached
    const Tensor& x;       // (N, H, W, C), on the CPU
};

// Images `batch` at a time; an image's bits depend on its own seed and label alone. image: the shape of one, (H, W, C).
// on_step sees every batch at its start and after each of its steps; false stops. on_batch gets the finished images and the
// place of the first, on the CPU. Returns whether all were drawn. Throws Error, naming step, σ and seed, as soon as an image is
// not finite.
bool generate(const BatchSampler& sampler, const Shape& image, const ImageList& list, const SamplingPlan& plan,
              std::int64_t batch, const std::function<bool(const SamplerState&)>& on_step,
              const std::function<void(std::int64_t first, const Tensor& images)>& on_batch);

// All of them at once, by the plan's sampler, (N, H, W, C); undefined when on_step has stopped it.
Tensor generate(
    const ConditionalDenoiser& D, const Shape& image, const ImageList& list, const SamplingPlan& plan, std::int64_t batch,
    const std::function<bool(const SamplerState&)>& on_step = [](const SamplerState&) { return true; });

// The first image of x (N, …) f32 with a value that is not finite, if there is one.
std::optional<std::int64_t> first_not_finite(const Tensor& x);

// Images as one picture with everything that says how they came about in its text. black, white: the values to be shown so.
void write_grid(const std::filesystem::path& path, const Tensor& images, double black, double white,
                const std::map<std::string, std::string>& text, int scale = 1);

// Values from black to white as [-1, 1], which pictures show.
Tensor shown(const Tensor& images, double black, double white);

// The text of such a picture: how, and by which model.
std::map<std::string, std::string> describe(const SamplingPlan& plan, const ImageList& list);
std::map<std::string, std::string> describe(const Model& model, Weights weights);

}    // namespace lull
