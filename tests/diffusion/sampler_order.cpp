// The measured order of convergence of every sampler on an ODE whose denoiser is exact. The interval σ ∈ [3, 0.3] has no
// step to 0 and no stiff end: over 80 → 0.002 even Euler reads 0.6 to 0.9.
#include <doctest/doctest.h>

#include <cmath>

#include "diffusion/gaussian_mixture.h"
#include "diffusion/samplers.h"
#include "diffusion/sigmas.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {
namespace {

const GaussianMixture& mixture() {
    static const GaussianMixture mixture({{.weight = 0.5, .mean = {-1, 0.4}, .std = 0.3},
                                          {.weight = 0.3, .mean = {0.8, 0.6}, .std = 0.5},
                                          {.weight = 0.2, .mean = {0.1, -1}, .std = 0.4}});
    return mixture;
}

Tensor slope(const Tensor& x, double sigma) { return (x - mixture().denoise(x, sigma)) / sigma; }

// x at σ = `to` on the exact trajectory through (x, from): classical Runge-Kutta in ln σ with 2,000 steps per unit, whose
// error (1e-13) is far below any that is measured here.
Tensor exact(Tensor x, double from, double to) {
    const int steps = std::max(1, static_cast<int>(std::ceil(std::log(from / to) * 2000)));
    const double h = std::log(to / from) / steps;
    const auto f = [&](const Tensor& at, double t) { return from * std::exp(t) * slope(at, from * std::exp(t)); };    // dx/dt
    for (int i = 0; i < steps; ++i) {
        const double t = i * h;
        const Tensor k1 = f(x, t), k2 = f(x + h / 2 * k1, t + h / 2), k3 = f(x + h / 2 * k2, t + h / 2),
                     k4 = f(x + h * k3, t + h);
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    return x;
}

Tensor start() { return start_noise(std::vector<std::uint64_t>{0, 1, 2, 3}, {2}, 3, DType::f64); }

// EDM's grid from 3 to 0.3 with n levels, without the 0.
std::vector<double> grid(int n) {
    std::vector<double> sigmas = karras_sigmas(n, 0.3, 3);
    sigmas.pop_back();
    return sigmas;
}

using Solver = std::function<Tensor(std::span<const double> sigmas)>;

// log2 of how much the error shrinks when the steps are halved, at every doubling of 32 to 1,024 steps.
std::vector<double> measured_orders(const Solver& solve) {
    static const Tensor end = exact(start(), 3, 0.3);
    std::vector<double> orders;
    double before = 0;
    for (const int n : {33, 65, 129, 257, 513, 1025}) {
        const double error = std::sqrt(mean(sq(solve(grid(n)) - end)).item());
        if (before > 0) orders.push_back(std::log2(before / error));
        before = error;
    }
    return orders;
}

// LMS whose first slopes lie on the exact trajectory.
Tensor lms_from_exact_values(int order, std::span<const double> sigmas) {
    LmsOptions options{.order = order};
    Tensor x = start();
    for (int i = 0; i + 1 < order; ++i) {
        options.history.push_back({sigmas[i], slope(x, sigmas[i])});
        x = exact(x, sigmas[i], sigmas[i + 1]);
    }
    return sample_lms(mixture().denoiser(), x, sigmas.subspan(static_cast<std::size_t>(order) - 1), options);
}

// The last doubling is the nearest to the limit; 0.06 is what the next term of the error still adds there.
void check_order(const std::vector<double>& orders, double expected) {
    CAPTURE(orders);
    CHECK(std::abs(orders.back() - expected) < 0.06);
}

}    // namespace

TEST_CASE("Euler converges with order 1") {
    check_order(measured_orders([](auto sigmas) { return sample_euler(mixture().denoiser(), start(), sigmas); }), 1);
}

TEST_CASE("ancestral Euler without noise is Euler") {
    const std::vector<double> sigmas = grid(20);
    CHECK(sample_ancestral(mixture().denoiser(), start(), sigmas, {.eta = 0}).values() ==
          sample_euler(mixture().denoiser(), start(), sigmas).values());
}

TEST_CASE("Heun converges with order 2") {
    check_order(measured_orders([](auto sigmas) { return sample_heun(mixture().denoiser(), start(), sigmas); }), 2);
}

TEST_CASE("LMS converges with its order from exact starting values") {
    for (const int order : {1, 2, 3, 4}) {
        CAPTURE(order);
        check_order(measured_orders([order](auto sigmas) { return lms_from_exact_values(order, sigmas); }), order);
    }
}

TEST_CASE("LMS's own start, a single Euler step, holds every order above 2 down to 2") {
    for (const int order : {2, 3, 4}) {
        CAPTURE(order);
        check_order(
            measured_orders([order](auto sigmas) { return sample_lms(mixture().denoiser(), start(), sigmas, {.order = order}); }),
            2);
    }
}

TEST_CASE("LMS of order 1 is Euler") {
    const std::vector<double> sigmas = karras_sigmas(12);
    CHECK(sample_lms(mixture().denoiser(), start(), sigmas, {.order = 1}).values() ==
          sample_euler(mixture().denoiser(), start(), sigmas).values());
}

TEST_CASE("LMS coefficients are the classical ones on an even grid") {
    // Adams–Bashforth: 55, -59, 37, -9 in units of h/24, the latest first.
    const std::vector<double> nodes{0, 1, 2, 3};
    const double classical[] = {-9, 37, -59, 55};
    for (int j = 0; j < 4; ++j) CHECK(24 * lagrange_integral(nodes, j, 3, 4) == doctest::Approx(classical[j]).epsilon(1e-13));
    CHECK_THROWS_AS(lagrange_integral(std::vector<double>{0, 1, 2, 3, 4}, 0, 4, 5), Error);
}

TEST_CASE("LMS coefficients integrate every cubic exactly on an uneven grid") {
    const std::vector<double> nodes{80, 57, 40.5, 28};
    const auto cubic = [](double s) { return 2 - s + 0.3 * s * s - 0.01 * s * s * s; };
    const auto integral = [](double s) { return 2 * s - s * s / 2 + 0.1 * s * s * s - 0.0025 * s * s * s * s; };
    double sum = 0;
    for (int j = 0; j < 4; ++j) sum += lagrange_integral(nodes, j, 28, 19) * cubic(nodes[static_cast<std::size_t>(j)]);
    CHECK(sum == doctest::Approx(integral(19) - integral(28)).epsilon(1e-12));
}

}    // namespace lull
