// A sampler chosen by name, for the command line and configurations.
#pragma once

#include <span>
#include <string_view>

#include "diffusion/ddim.h"
#include "diffusion/samplers.h"

namespace lull {

enum class Sampler { euler, ancestral, heun, lms, ddim };

std::span<const std::string_view> sampler_names();    // in the order above

// "euler", "ancestral", "heun", "lms", "ddim".
std::string_view name_of(Sampler sampler);

// The inverse. Throws Error "[sampler] unknown sampler 'huen'; did you mean 'heun'? (euler, ancestral, heun, lms, ddim)".
Sampler parse_sampler(std::string_view name);

// A sampler with its options; those of the other samplers are ignored.
struct SamplerChoice {
    Sampler sampler = Sampler::heun;
    AncestralOptions ancestral{};
    HeunOptions heun{};
    LmsOptions lms{};
    DdimOptions ddim{};
};

Tensor sample(const SamplerChoice& choice, const Denoiser& D, Tensor x, std::span<const double> sigmas, const Sampling& run = {});

// How often `steps` steps ending in 0 evaluate D.
int evaluations(Sampler sampler, int steps);

}    // namespace lull
