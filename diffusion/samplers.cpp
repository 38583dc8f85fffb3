#include "diffusion/samplers.h"

#include <algorithm>
#include <string_view>

#include "engine/ops/elementwise/elementwise.h"
#include "engine/random.h"

namespace lull {
namespace {

// dx/dσ of the probability-flow ODE, (N, …).
Tensor slope(const Denoiser& D, const Tensor& x, double sigma) {
    const Tensor denoised = D(x, sigma);
    check(denoised.shape() == x.shape(), "sampler", "expected a denoiser that returns ", x, ", got ", denoised);
    return (x - denoised) / sigma;
}

}    // namespace

int count_steps(std::string_view where, std::span<const double> sigmas) {
    check(sigmas.size() >= 2, where, "expected at least two noise levels, got ", sigmas.size());
    check(std::isfinite(sigmas.front()) && sigmas.back() >= 0, where, "expected finite noise levels that end at 0 or above, got ",
          sigmas.front(), " … ", sigmas.back());
    for (std::size_t i = 1; i < sigmas.size(); ++i) {
        check(sigmas[i] < sigmas[i - 1], where, "expected descending noise levels, got ", sigmas[i - 1], " before ", sigmas[i]);
    }
    return static_cast<int>(sigmas.size()) - 1;
}

Tensor Sampling::noise(const Tensor& x, int step) const {
    if (step_noise) return step_noise(x, step);
    check(x.size(0) == static_cast<std::int64_t>(seeds.size()), "sampler", "expected one seed per image, got ", seeds.size(),
          " seeds for ", x);
    std::vector<RandomStream> streams;
    for (const std::uint64_t seed : seeds) streams.push_back({seed, Purpose::step_noise, static_cast<std::uint64_t>(step)});
    Tensor z = empty_like(x);
    fill_normal(z, streams);
    return z;
}

Tensor start_noise(std::span<const std::uint64_t> seeds, const Shape& image, double sigma_max, DType dtype, Device device) {
    std::vector<std::int64_t> extents{static_cast<std::int64_t>(seeds.size())};
    extents.insert(extents.end(), image.begin(), image.end());
    std::vector<RandomStream> streams;
    for (const std::uint64_t seed : seeds) streams.push_back({seed, Purpose::start, 0});
    Tensor n = empty(Shape(extents), dtype, device);
    fill_normal(n, streams);
    return sigma_max * n;
}

Tensor sample_euler(const Denoiser& D, Tensor x, std::span<const double> sigmas, const Sampling& run) {
    const int steps = count_steps("sample_euler", sigmas);
    for (int i = 0; i < steps; ++i) {
        const double sigma = sigmas[i], sigma_next = sigmas[i + 1];
        x = run.resynchronised(x, sigma);
        x = x + (sigma_next - sigma) * slope(D, x, sigma);
        if (!run.step_done(i, sigma_next, x)) break;
    }
    return x;
}

Tensor sample_ancestral(const Denoiser& D, Tensor x, std::span<const double> sigmas, const AncestralOptions& options,
                        const Sampling& run) {
    const int steps = count_steps("sample_ancestral", sigmas);
    check(options.eta >= 0, "sample_ancestral", "expected eta ≥ 0, got ", options.eta);
    check(options.stop_noise >= 0, "sample_ancestral", "expected stop_noise ≥ 0, got ", options.stop_noise);
    for (int i = 0; i < steps; ++i) {
        const double sigma = sigmas[i], sigma_next = sigmas[i + 1];
        // η = 1: the variance of x at σ', given x at σ and y.
        const double posterior = std::sqrt(sq(sigma_next) * (sq(sigma) - sq(sigma_next)) / sq(sigma));
        double sigma_up = std::min(sigma_next, options.eta * posterior);
        const bool stops = sq(sigma_next) - sq(sigma_up) <= options.stop_noise * (1 + sq(sigma_next));
        if (options.stop_noise > 0 && stops) sigma_up = 0;
        const double sigma_down = std::sqrt(sq(sigma_next) - sq(sigma_up));

        x = run.resynchronised(x, sigma);
        x = x + (sigma_down - sigma) * slope(D, x, sigma);
        if (sigma_up > 0) x = x + sigma_up * run.noise(x, i);
        if (!run.step_done(i, sigma_next, x)) break;
    }
    return x;
}

Tensor sample_heun(const Denoiser& D, Tensor x, std::span<const double> sigmas, const HeunOptions& options, const Sampling& run) {
    const int steps = count_steps("sample_heun", sigmas);
    check(options.s_churn >= 0, "sample_heun", "expected S_churn ≥ 0, got ", options.s_churn);
    for (int i = 0; i < steps; ++i) {
        const double sigma = sigmas[i], sigma_next = sigmas[i + 1];
        const double sigma_hat = sigma * (1 + options.churn(sigma, steps));    // may exceed σ_max
        if (sigma_hat > sigma) x = x + options.s_noise * std::sqrt(sq(sigma_hat) - sq(sigma)) * run.noise(x, i);
        x = run.resynchronised(x, sigma_hat);

        const Tensor slope_hat = slope(D, x, sigma_hat);
        Tensor next = x + (sigma_next - sigma_hat) * slope_hat;    // Euler
        if (sigma_next > 0) {
            const Tensor slope_next = slope(D, next, sigma_next);
            next = x + (sigma_next - sigma_hat) * 0.5 * (slope_hat + slope_next);    // trapezoid
        }
        x = next;
        if (!run.step_done(i, sigma_next, x)) break;
    }
    return x;
}

double lagrange_integral(std::span<const double> nodes, int j, double from, double to) {
    check(!nodes.empty() && nodes.size() <= 4, "lagrange_integral", "expected 1 to 4 nodes, got ", nodes.size());
    const auto basis = [&](double sigma) {
        double product = 1;
        for (int k = 0; k < static_cast<int>(nodes.size()); ++k) {
            const double node = nodes[k];
            if (k != j) product *= (sigma - node) / (nodes[j] - node);
        }
        return product;
    };
    // Two Gauss points are exact for degree 3: four nodes.
    const double middle = (from + to) / 2, offset = (to - from) / 2 / std::sqrt(3.0);
    return (to - from) / 2 * (basis(middle - offset) + basis(middle + offset));
}

Tensor sample_lms(const Denoiser& D, Tensor x, std::span<const double> sigmas, const LmsOptions& options, const Sampling& run) {
    const int steps = count_steps("sample_lms", sigmas);
    check(options.order >= 1 && options.order <= 4, "sample_lms", "expected an order of 1 to 4, got ", options.order);
    std::vector<Slope> slopes = options.history;    // the latest last
    for (int i = 0; i < steps; ++i) {
        const double sigma = sigmas[i], sigma_next = sigmas[i + 1];
        x = run.resynchronised(x, sigma);
        slopes.push_back({sigma, slope(D, x, sigma)});
        if (std::ssize(slopes) > options.order) slopes.erase(slopes.begin(), slopes.end() - options.order);

        std::vector<double> nodes;
        for (const Slope& s : slopes) nodes.push_back(s.sigma);
        for (int j = 0; j < static_cast<int>(slopes.size()); ++j) {
            x = x + lagrange_integral(nodes, j, sigma, sigma_next) * slopes[j].value;
        }
        if (!run.step_done(i, sigma_next, x)) break;
    }
    return x;
}

}    // namespace lull
