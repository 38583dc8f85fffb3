#include "diffusion/sampler_choice.h"

#include <algorithm>
#include <array>

#include "engine/did_you_mean.h"

namespace lull {
namespace {

constexpr std::array<std::string_view, 5> kNames{"euler", "ancestral", "heun", "lms", "ddim"};

}    // namespace

std::span<const std::string_view> sampler_names() { return kNames; }

std::string_view name_of(Sampler sampler) { return kNames.at(static_cast<std::size_t>(sampler)); }

Sampler parse_sampler(std::string_view name) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found != kNames.end()) return static_cast<Sampler>(found - kNames.begin());
    fail("sampler", "unknown sampler '", name, "'", did_you_mean(name, kNames));
}

Tensor sample(const SamplerChoice& choice, const Denoiser& D, Tensor x, std::span<const double> sigmas, const Sampling& run) {
    switch (choice.sampler) {
        case Sampler::euler:
            return sample_euler(D, std::move(x), sigmas, run);
        case Sampler::ancestral:
            return sample_ancestral(D, std::move(x), sigmas, choice.ancestral, run);
        case Sampler::heun:
            return sample_heun(D, std::move(x), sigmas, choice.heun, run);
        case Sampler::lms:
            return sample_lms(D, std::move(x), sigmas, choice.lms, run);
        case Sampler::ddim:
            return sample_ddim(D, std::move(x), sigmas, choice.ddim, run);
    }
    fail("sampler", "unknown sampler ", static_cast<int>(choice.sampler));
}

int evaluations(Sampler sampler, int steps) { return sampler == Sampler::heun ? 2 * steps - 1 : steps; }

}    // namespace lull
