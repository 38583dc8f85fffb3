#include "diffusion/gaussian_mixture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

namespace lull {

TEST_CASE("the exact denoiser of two points is a hyperbolic tangent") {
    // π = ½ at ±1 with s = 0: D = tanh(x / σ²).
    const GaussianMixture points({{.weight = 1, .mean = {1}, .std = 0}, {.weight = 1, .mean = {-1}, .std = 0}});
    const std::vector<double> x{-3, -0.4, 0, 0.1, 2};
    for (const double sigma : {0.5, 1.0, 4.0}) {
        const std::vector<double> D = points.denoise(from_values(x, {5, 1}, DType::f64), sigma).values();
        for (std::size_t i = 0; i < x.size(); ++i)
            CHECK(D[i] == doctest::Approx(std::tanh(x[i] / (sigma * sigma))).epsilon(1e-13));
    }
}

TEST_CASE("the exact denoiser is the posterior mean") {
    // Against ∫ y p(y) N(x; y, σ²) dy / ∫ p(y) N(x; y, σ²) dy by the trapezoid rule, which for such integrands converges
    // faster than any power.
    const GaussianMixture mixture({{.weight = 0.3, .mean = {-1}, .std = 0.2}, {.weight = 0.7, .mean = {0.5}, .std = 0.6}});
    const auto density = [](double y, double mean, double std) {
        return std::exp(-(y - mean) * (y - mean) / (2 * std * std)) / std;
    };
    for (const double sigma : {0.1, 0.7, 3.0}) {
        for (const double x : {-1.5, 0.2, 2.0}) {
            double top = 0, bottom = 0;
            for (double y = -8; y <= 8; y += 0.001) {
                const double p = (0.3 * density(y, -1, 0.2) + 0.7 * density(y, 0.5, 0.6)) * density(x, y, sigma);
                top += y * p;
                bottom += p;
            }
            CHECK(mixture.denoise(from_values({x}, {1, 1}, DType::f64), sigma).item() ==
                  doctest::Approx(top / bottom).epsilon(1e-10));
        }
    }
}

TEST_CASE("the exact denoiser takes images of any shape and both types, far from the data too") {
    const GaussianMixture mixture(
        {{.weight = 1, .mean = {1, 2, 3, 4}, .std = 0.1}, {.weight = 1, .mean = {0, 0, 0, 0}, .std = 0}});
    const Tensor x = full({3, 2, 2, 1}, 1e4);
    const Tensor D = mixture.denoise(x, 0.002);
    CHECK(D.shape() == x.shape());
    CHECK(D.dtype() == DType::f32);
    for (const double value : D.values()) CHECK(std::isfinite(value));
}

TEST_CASE("drawn points have the mixture's mean and covariance") {
    const GaussianMixture mixture({{.weight = 1, .mean = {-1, 0}, .std = 0.2}, {.weight = 3, .mean = {1, 0.5}, .std = 0.4}});
    CHECK(mixture.mean() == std::vector<double>{0.5, 0.375});
    // Within the components ¼ 0.04 + ¾ 0.16 = 0.13; between them 3/16 times (2, 0.5) by itself.
    const std::vector<double> expected{0.13 + 0.75, 0.1875, 0.1875, 0.13 + 0.046875};
    const std::vector<double> covariance = mixture.covariance();
    for (std::size_t i = 0; i < 4; ++i) CHECK(covariance[i] == doctest::Approx(expected[i]).epsilon(1e-13));

    constexpr std::size_t kPoints = 20000;
    std::vector<std::uint64_t> seeds(kPoints);
    std::iota(seeds.begin(), seeds.end(), 0);
    const std::vector<double> points = mixture.draw(seeds, DType::f64).values();
    for (std::size_t axis = 0; axis < 2; ++axis) {
        double mean = 0, variance = 0;
        for (std::size_t n = 0; n < kPoints; ++n) mean += points[2 * n + axis] / kPoints;
        for (std::size_t n = 0; n < kPoints; ++n) variance += std::pow(points[2 * n + axis] - mean, 2) / kPoints;
        const double exact = expected[3 * axis];
        CHECK(std::abs(mean - mixture.mean()[axis]) < 4 * std::sqrt(exact / kPoints));
        // A bound on four standard errors of a variance: the kurtosis of either axis is below 3.
        CHECK(std::abs(variance - exact) < 4 * exact * std::sqrt(2.0 / kPoints));
    }
}

TEST_CASE("mixtures that cannot be are errors") {
    CHECK_THROWS_AS(GaussianMixture({}), Error);
    CHECK_THROWS_AS(GaussianMixture({{.weight = 0, .mean = {0}, .std = 1}}), Error);
    CHECK_THROWS_AS(GaussianMixture({{.weight = 1, .mean = {0}, .std = -1}}), Error);
    CHECK_THROWS_AS(GaussianMixture({{.weight = 1, .mean = {0}, .std = 1}, {.weight = 1, .mean = {0, 0}, .std = 1}}), Error);
    const GaussianMixture plane({{.weight = 1, .mean = {0, 0}, .std = 1}});
    CHECK_THROWS_WITH_AS(plane.denoise(ones({4, 3}), 1),
                         "[gaussian_mixture] expected points of 2 elements, (N, …), got f32 (4, 3)", Error);
    CHECK_THROWS_AS(plane.denoise(ones({4, 2}), 0), Error);
}

}    // namespace lull
