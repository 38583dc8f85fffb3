// Stochastic samplers have no trajectory to compare with, but the distribution that they end in is known: the mixture's.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/samplers.h"
#include "diffusion/sigmas.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/random.h"

namespace lull {
namespace {

const GaussianMixture& mixture() {
    static const GaussianMixture mixture(
        {{.weight = 0.7, .mean = {-1, 0.2}, .std = 0.2}, {.weight = 0.3, .mean = {0.9, -0.4}, .std = 0.4}});
    return mixture;
}

constexpr std::size_t kPoints = 2000;

// How many standard errors of a mean over kPoints `terms` lie from the expected value.
double errors_away(const std::vector<double>& terms, double expected) {
    double mean = 0, variance = 0;
    for (const double term : terms) mean += term / static_cast<double>(terms.size());
    for (const double term : terms) variance += (term - mean) * (term - mean) / static_cast<double>(terms.size());
    return std::abs(mean - expected) / std::sqrt(variance / static_cast<double>(terms.size()));
}

// Both means and all three covariances (about the exact mean) are within four standard errors, each over kPoints: some
// 2% of the spread. The samplers' own errors at the steps used, measured with 60,000 points, are below 0.7 of a standard
// error for ancestral Euler, a first-order method, and below 0.5 for the others.
void check_moments(const Tensor& samples) {
    const std::vector<double> points = samples.values(), mean = mixture().mean(), covariance = mixture().covariance();
    REQUIRE(points.size() == 2 * kPoints);
    for (std::size_t a = 0; a < 2; ++a) {
        std::vector<double> terms;
        for (std::size_t n = 0; n < kPoints; ++n) terms.push_back(points[2 * n + a]);
        CAPTURE(a);
        CHECK(errors_away(terms, mean[a]) < 4);
        for (std::size_t b = 0; b <= a; ++b) {
            for (std::size_t n = 0; n < kPoints; ++n) terms[n] = (points[2 * n + a] - mean[a]) * (points[2 * n + b] - mean[b]);
            CAPTURE(b);
            CHECK(errors_away(terms, covariance[2 * a + b]) < 4);
        }
    }
}

Tensor start() { return 80 * random_normal({kPoints, 2}, {.seed = 1}, DType::f64); }

// One stream for all points, many times faster than a stream per point.
const Sampling kRun{.step_noise = [](const Tensor& x, int step) {
    return random_normal(x.shape(), {2, Purpose::step_noise, static_cast<std::uint64_t>(step)}, x.dtype());
}};

}    // namespace

TEST_CASE("the mixture's own draws pass the test of moments") {
    std::vector<std::uint64_t> seeds(kPoints);
    std::iota(seeds.begin(), seeds.end(), 0);
    check_moments(mixture().draw(seeds, DType::f64));
}

TEST_CASE("ancestral Euler ends in the mixture's distribution") {
    for (const double eta : {1.0, 0.5}) {
        CAPTURE(eta);
        check_moments(sample_ancestral(mixture().denoiser(), start(), karras_sigmas(400), {.eta = eta}, kRun));
    }
}

TEST_CASE("Heun ends in the mixture's distribution, with and without churn") {
    for (const double s_churn : {0.0, 40.0}) {
        CAPTURE(s_churn);
        check_moments(sample_heun(mixture().denoiser(), start(), karras_sigmas(60), {.s_churn = s_churn}, kRun));
    }
}

TEST_CASE("LMS ends in the mixture's distribution") {
    check_moments(sample_lms(mixture().denoiser(), start(), karras_sigmas(60)));
}

}    // namespace lull
