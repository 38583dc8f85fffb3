// Traces of k-diffusion's samplers on an exact denoiser, in f64 (tests/golden/samplers.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/samplers.h"
#include "engine/io/safetensors.h"
#include "tests/support/files.h"

namespace lull {
namespace {

const Tensor& golden(const std::string& key) {
    static const SafetensorsFile file = load_safetensors(test::source_dir() / "tests/golden/samplers.safetensors");
    return file.tensors.at(key);
}

GaussianMixture golden_mixture() {
    const std::vector<double> weights = golden("mixture/weights").values(), stds = golden("mixture/stds").values();
    std::vector<GaussianMixture::Component> components;
    for (std::int64_t k = 0; k < 2; ++k) {
        const auto i = static_cast<std::size_t>(k);
        components.push_back({weights[i], golden("mixture/means").slice(0, k, k + 1).values(), stds[i]});
    }
    return GaussianMixture(components);
}

// Both sides are f64 and differ by the order of a few sums. The start is as large as 80 × 3, the answer of order 1: what
// rounding leaves at the start (240 · 2⁻⁵³ = 3e-14) is the scale, and a few dozen operations follow.
void check_close(const Tensor& ours, const Tensor& expected) {
    REQUIRE(ours.elements() == expected.elements());
    const std::vector<double> a = ours.values(), b = expected.values();
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    CHECK(worst < 1e-12);
}

using Sample = std::function<Tensor(const Denoiser& D, const Tensor& x, std::span<const double> sigmas, const Sampling& run)>;

// Compares the result, and x after every step where the file has it. Fresh noise is the file's.
void check_golden(const std::string& name, bool has_trace, const Sample& sample) {
    CAPTURE(name);
    int steps = 0;
    Sampling run;
    run.step_noise = [](const Tensor& x, int step) { return golden("noise").slice(0, step, step + 1).reshape(x.shape()); };
    run.on_step = [&](int step, double, const Tensor& x) {
        if (has_trace) check_close(x, golden(name + "/trace").slice(0, step, step + 1));
        ++steps;
        return true;
    };
    const std::vector<double> sigmas = golden("sigmas").values();
    check_close(sample(golden_mixture().denoiser(), golden("x0"), sigmas, run), golden(name + "/x"));
    CHECK(steps == static_cast<int>(sigmas.size()) - 1);
}

}    // namespace

TEST_CASE("the exact denoiser agrees with PyTorch's") {
    check_close(golden_mixture().denoise(golden("x0"), golden("sigmas").values()[0]), golden("denoised"));
}

TEST_CASE("Euler and Heun follow k-diffusion step by step") {
    check_golden("euler", true, [](auto&& D, auto&& x, auto s, auto&& run) { return sample_euler(D, x, s, run); });
    check_golden("heun", true, [](auto&& D, auto&& x, auto s, auto&& run) { return sample_heun(D, x, s, {}, run); });
}

TEST_CASE("churned Heun ends where k-diffusion's does with the same noise") {
    const HeunOptions options{.s_churn = 6, .s_tmin = 0.05, .s_tmax = 50, .s_noise = 1.003};
    check_golden("heun_churn", false, [&](auto&& D, auto&& x, auto s, auto&& run) { return sample_heun(D, x, s, options, run); });
}

TEST_CASE("ancestral Euler follows k-diffusion step by step with the same noise") {
    check_golden("ancestral_eta1", true,
                 [](auto&& D, auto&& x, auto s, auto&& run) { return sample_ancestral(D, x, s, {.eta = 1}, run); });
    check_golden("ancestral_eta05", true,
                 [](auto&& D, auto&& x, auto s, auto&& run) { return sample_ancestral(D, x, s, {.eta = 0.5}, run); });
}

TEST_CASE("LMS follows k-diffusion step by step at every order") {
    for (const int order : {1, 2, 3, 4}) {
        check_golden("lms" + std::to_string(order), true,
                     [order](auto&& D, auto&& x, auto s, auto&& run) { return sample_lms(D, x, s, {.order = order}, run); });
    }
}

}    // namespace lull
