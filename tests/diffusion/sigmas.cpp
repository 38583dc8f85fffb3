#include "diffusion/sigmas.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "engine/ops/elementwise/elementwise.h"

namespace lull {

TEST_CASE("Karras grids have equation 5's values") {
    // Computed to 40 digits. Nearly all of a double survives the power of 7: ten units in the last place.
    const std::vector<double> five{80, 17.527831964644111, 2.5152189761471586, 0.16975275626876403, 0.002, 0};
    const std::vector<double> ours = karras_sigmas(5);
    REQUIRE(ours.size() == five.size());
    for (std::size_t i = 0; i < five.size(); ++i) CHECK(std::abs(ours[i] - five[i]) <= 2e-15 * five[i]);

    const std::vector<double> eighteen = karras_sigmas(18);
    CHECK(eighteen[1] == doctest::Approx(57.585984721248158).epsilon(1e-14));
    CHECK(eighteen[9] == doctest::Approx(1.9233398370400499).epsilon(1e-14));
    CHECK(eighteen[16] == doctest::Approx(0.0075280199627840704).epsilon(1e-14));
}

TEST_CASE("Karras grids start, end and finish exactly") {
    for (const int steps : {2, 3, 18, 100}) {
        const std::vector<double> sigmas = karras_sigmas(steps, 0.01, 40, 5);
        CHECK(sigmas.size() == static_cast<std::size_t>(steps) + 1);
        CHECK(sigmas.front() == 40);
        CHECK(sigmas[sigmas.size() - 2] == 0.01);
        CHECK(sigmas.back() == 0);
        for (std::size_t i = 1; i < sigmas.size(); ++i) CHECK(sigmas[i] < sigmas[i - 1]);
    }
    CHECK(karras_sigmas(1) == std::vector<double>{80, 0});
    CHECK(karras_sigmas(3, 1, 3, 1) == std::vector<double>{3, 2, 1, 0});    // ρ = 1 is linear
}

TEST_CASE("Karras grids that cannot be are errors") {
    CHECK_THROWS_WITH_AS(karras_sigmas(0), "[karras_sigmas] expected at least 1 step, got 0", Error);
    CHECK_THROWS_WITH_AS(karras_sigmas(5, 80, 0.002),
                         "[karras_sigmas] expected 0 < sigma_min < sigma_max, got sigma_min 80 and sigma_max 0.002", Error);
    CHECK_THROWS_AS(karras_sigmas(5, 1, 1), Error);
    CHECK_THROWS_AS(karras_sigmas(5, 0, 1), Error);
    CHECK_THROWS_AS(karras_sigmas(5, 0.1, HUGE_VAL), Error);
    CHECK_THROWS_AS(karras_sigmas(5, 0.1, 1, 0), Error);
}

TEST_CASE("training noise levels are log-normal") {
    constexpr int kImages = 40000;
    std::vector<std::uint64_t> positions(kImages);
    std::iota(positions.begin(), positions.end(), 0);
    double mean = 0, variance = 0;
    const std::vector<double> sigmas = draw_sigmas(LogNormal{}, 3, positions, DType::f64).values();
    for (const double sigma : sigmas) mean += std::log(sigma) / kImages;
    for (const double sigma : sigmas) variance += sq(std::log(sigma) - mean) / kImages;
    // Four standard errors: 1.2/√n for the mean, 1.2/√(2n) for the standard deviation.
    CHECK(std::abs(mean + 1.2) < 4 * 1.2 / std::sqrt(kImages));
    CHECK(std::abs(std::sqrt(variance) - 1.2) < 4 * 1.2 / std::sqrt(2.0 * kImages));
}

TEST_CASE("a schedule's noise levels have times that are spread evenly") {
    constexpr int kImages = 40000;
    std::vector<std::uint64_t> positions(kImages);
    std::iota(positions.begin(), positions.end(), 0);
    const auto check_times = [&](const auto& schedule, double least, double most) {
        const UniformTime<std::decay_t<decltype(schedule)>> levels;
        double mean = 0, first = 1, last = 0;
        for (const double sigma : draw_sigmas(levels, 3, positions, DType::f64).values()) {
            const double t = schedule.t(sigma);
            mean += t / kImages;
            first = std::min(first, t);
            last = std::max(last, t);
        }
        CHECK(std::abs(mean - 0.5) < 4 / std::sqrt(12.0 * kImages));    // four standard errors
        CHECK(first > least - 1e-9);
        CHECK(first < 1e-3);
        CHECK(last < most + 1e-9);
        CHECK(last > 0.9989);
    };
    check_times(CosineSchedule{}, 0, 0.999);
    check_times(LinearSchedule{}, 0, 0.999);
    check_times(VpSchedule{}, 1e-5, 1);
    for (const double sigma : draw_sigmas(LogUniform{}, 3, std::span(positions).first(100)).values()) {
        CHECK(sigma > 0.02);
        CHECK(sigma < 100);
    }
}

TEST_CASE("densities of ln sigma are those of what is drawn, and so are the log-normals that stand for them") {
    for (const std::string_view name : Named<NoiseDistribution>::names) {
        CAPTURE(name);
        const NoiseDistribution levels = Named<NoiseDistribution>::parse("noise levels", name);
        std::visit(
            [](const auto& l) {
                constexpr double kStep = 1e-3;
                double whole = 0, mean = 0, square = 0;
                for (double log_sigma = -25; log_sigma < 8; log_sigma += kStep) {
                    const double part = kStep * l.density(log_sigma);
                    whole += part;
                    mean += part * log_sigma;
                    square += part * log_sigma * log_sigma;
                }
                CHECK(whole == doctest::Approx(1).epsilon(2e-3));    // a thousandth of the times is σ(0.999)
                CHECK(std::abs(l.log_normal().mean - mean) < 0.02);
                CHECK(l.log_normal().std == doctest::Approx(std::sqrt(square - mean * mean)).epsilon(0.02));
            },
            levels);
    }
    // The hyperbolic secant distribution.
    CHECK(UniformTime<CosineSchedule>{}.density(0) == doctest::Approx(1 / std::numbers::pi).epsilon(1e-6));
    CHECK(UniformTime<CosineSchedule>{}.log_normal().std == doctest::Approx(std::numbers::pi / 2).epsilon(0.01));
}

TEST_CASE("a noise level depends on the seed and the place in the stream, not on the batch") {
    const std::uint64_t together[] = {10, 11, 12}, alone[] = {11};
    const Tensor sigmas = draw_sigmas(LogNormal{}, 5, together);
    CHECK(sigmas.shape() == Shape{3, 1, 1, 1});
    CHECK(sigmas.dtype() == DType::f32);
    CHECK(sigmas.values()[1] == draw_sigmas(LogNormal{}, 5, alone).item());
    CHECK(sigmas.values()[1] != draw_sigmas(LogNormal{}, 6, alone).item());
    CHECK(sigmas.values()[0] != sigmas.values()[1]);
}

}    // namespace lull
