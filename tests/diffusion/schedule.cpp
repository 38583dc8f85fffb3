#include "diffusion/schedule.h"

#include <doctest/doctest.h>

#include "diffusion/sigmas.h"
#include "tests/support/compare.h"

namespace lull {
namespace {

// σ(t(σ)) = σ, and a tensor's times are its numbers'.
template <class Schedule>
void check_inverse(const Schedule& schedule, double rounding) {
    CAPTURE(Schedule::name);
    const double sigmas[] = {0.001, 0.05, 0.7, 1, 12, 80};
    const std::vector<double> times = schedule.t(from_values(sigmas, {6, 1, 1, 1}, DType::f64)).values();
    double last = 0;
    for (std::size_t i = 0; i < 6; ++i) {
        const double t = schedule.t(sigmas[i]);
        CHECK(schedule.sigma(t) == doctest::Approx(sigmas[i]).epsilon(rounding));
        CHECK(times[i] == doctest::Approx(t).epsilon(1e-15));
        CHECK(t > last);
        last = t;
    }
}

}    // namespace

TEST_CASE("a schedule's time is the inverse of its noise level") {
    check_inverse(CosineSchedule{}, 1e-13);    // near t = 1 the tangent multiplies t's rounding by σ²
    check_inverse(LinearSchedule{}, 1e-11);
    check_inverse(VpSchedule{}, 1e-13);
    check_inverse(VeSchedule{}, 1e-15);
}

TEST_CASE("the cosine schedule's signal is a squared cosine") {
    for (const double t : {0.0, 0.2, 0.5, 0.9, 0.999})
        CHECK(alpha_bar(CosineSchedule{}.sigma(t)) == doctest::Approx(sq(std::cos(std::numbers::pi * t / 2))).epsilon(1e-12));
    CHECK(CosineSchedule{}.sigma(0.5) == doctest::Approx(1).epsilon(1e-15));
    CHECK(CosineSchedule{}.c_noise(1.0) == doctest::Approx(0.5).epsilon(1e-15));    // the network is told t itself
    CHECK(alpha_bar(LinearSchedule{}.sigma(0.3)) == doctest::Approx(0.7).epsilon(1e-14));
    CHECK(LinearSchedule{}.c_noise(2.0) == doctest::Approx(0.8).epsilon(1e-15));    // 1 - ᾱ, ᾱ = 1/(1 + 2²)
    CHECK(VpSchedule{}.c_noise(VpSchedule{}.sigma(0.25)) == doctest::Approx(249.75).epsilon(1e-12));
}

TEST_CASE("VP and VE have the values of Karras et al.'s table") {
    const VpSchedule vp;
    CHECK(vp.sigma(1) == doctest::Approx(152.167).epsilon(1e-6));
    CHECK(vp.sigma(1e-3) == doctest::Approx(0.010486).epsilon(1e-4));
    CHECK(vp.sigma(1e-5) == doctest::Approx(0.0010005).epsilon(1e-4));
    CHECK(vp.c_noise(vp.sigma(1)) == doctest::Approx(999).epsilon(1e-12));
    CHECK(VeSchedule{}.sigma(100 * 100) == 100);
    CHECK(VeSchedule{}.c_noise(2.0) == 0);
    CHECK(VeSchedule{}.c_noise(full({1, 1, 1, 1}, 2 * std::exp(1.5), DType::f64)).item() == doctest::Approx(1.5));
}

TEST_CASE("the lesson's grid starts where it says and ends in 0") {
    const std::vector<double> hundred = cosine_sigmas(100);
    CHECK(hundred.size() == 100);
    CHECK(hundred.front() == doctest::Approx(63.66).epsilon(1e-4));
    CHECK(hundred[49] == doctest::Approx(1));
    CHECK(hundred.back() == 0);
    CHECK(cosine_sigmas(50).front() == doctest::Approx(31.82).epsilon(1e-4));
    CHECK(cosine_sigmas(2).size() == 2);
    CHECK_THROWS_WITH_AS(cosine_sigmas(1), "[cosine_sigmas] expected at least 2 noise levels, got 1", Error);
}

}    // namespace lull
