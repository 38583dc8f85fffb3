#include "diffusion/sampler_choice.h"

#include <doctest/doctest.h>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/sigmas.h"

namespace lull {

TEST_CASE("samplers have names") {
    for (const Sampler sampler : {Sampler::euler, Sampler::ancestral, Sampler::heun, Sampler::lms, Sampler::ddim}) {
        CHECK(parse_sampler(name_of(sampler)) == sampler);
    }
}

TEST_CASE("a slip in a sampler's name brings a suggestion, nonsense the list alone") {
    CHECK_THROWS_WITH_AS(parse_sampler("huen"),
                         "[sampler] unknown sampler 'huen'; did you mean 'heun'? (euler, ancestral, heun, lms, ddim)", Error);
    CHECK_THROWS_WITH_AS(parse_sampler("ancestal"),
                         "[sampler] unknown sampler 'ancestal'; did you mean 'ancestral'? (euler, ancestral, heun, lms, ddim)",
                         Error);
    CHECK_THROWS_WITH_AS(parse_sampler("plms-2000"), "[sampler] unknown sampler 'plms-2000' (euler, ancestral, heun, lms, ddim)",
                         Error);
    CHECK_THROWS_WITH_AS(parse_sampler(""), "[sampler] unknown sampler '' (euler, ancestral, heun, lms, ddim)", Error);
}

TEST_CASE("a chosen sampler is the function of its name, and costs what it says") {
    const GaussianMixture mixture({{.weight = 1, .mean = {1, 0}, .std = 0.3}, {.weight = 2, .mean = {-1, 0}, .std = 0.1}});
    int count = 0;
    const Denoiser D = [&](const Tensor& x, double sigma) {
        ++count;
        return mixture.denoise(x, sigma);
    };
    const std::vector<std::uint64_t> seeds{1, 2, 3};
    const std::vector<double> sigmas = karras_sigmas(7);
    const Tensor x = start_noise(seeds, {2}, 80, DType::f64);
    const Sampling run{.seeds = seeds};
    const auto chosen = [&](Sampler sampler) {
        count = 0;
        const Tensor result = sample(
            {.sampler = sampler, .ancestral = {.eta = 0.5}, .heun = {.s_churn = 3}, .lms = {.order = 2}, .ddim = {.eta = 0.3}}, D,
            x, sigmas, run);
        CHECK(count == evaluations(sampler, 7));
        return result.values();
    };
    CHECK(chosen(Sampler::euler) == sample_euler(D, x, sigmas).values());
    CHECK(chosen(Sampler::ancestral) == sample_ancestral(D, x, sigmas, {.eta = 0.5}, run).values());
    CHECK(chosen(Sampler::heun) == sample_heun(D, x, sigmas, {.s_churn = 3}, run).values());
    CHECK(chosen(Sampler::lms) == sample_lms(D, x, sigmas, {.order = 2}).values());
    CHECK(chosen(Sampler::ddim) == sample_ddim(D, x, sigmas, {.eta = 0.3}, run).values());
}

}    // namespace lull
