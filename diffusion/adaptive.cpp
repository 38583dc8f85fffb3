#include "diffusion/adaptive.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops/concat/concat.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {
namespace {

// One image on its way.
struct Walker {
    std::int64_t image;                                         // its number in the batch
    Tensor x;                                                   // (1, …)
    double sigma;                                               // what the last step was to reach
    double lowest = std::numeric_limits<double>::infinity();    // of the predictor's answers
    int stalled = 0, evaluations = 0;
    bool finished = false;
};

// σ' of a step that begins at σ̂; 0 where it is the last.
double next_sigma(double sigma_hat, const AdaptiveOptions& o) {
    if (o.steps == 1 || sigma_hat <= o.sigma_min * (1 + 1e-9)) return 0;
    const double least = std::pow(o.sigma_min, 1 / o.rho);
    const double distance = (std::pow(o.sigma_max, 1 / o.rho) - least) / (o.steps - 1);
    const double reached = std::pow(sigma_hat, 1 / o.rho) - distance;
    return reached > least ? std::pow(reached, o.rho) : o.sigma_min;
}

// Where it goes from σ̂, which is the predictor's answer, clamped; 0 where that is its end.
double decide(Walker& walker, double answer, double sigma_hat, const AdaptiveOptions& o) {
    const int most = o.most > 0 ? o.most : 2 * o.steps;
    walker.stalled = answer < walker.lowest ? 0 : walker.stalled + 1;
    walker.lowest = std::min(walker.lowest, answer);
    ++walker.evaluations;
    const double next = walker.stalled >= o.patience || walker.evaluations >= most ? 0 : next_sigma(sigma_hat, o);
    walker.finished = next == 0;
    return next;
}

Tensor together(const std::vector<Walker*>& walkers) {
    std::vector<Tensor> images;
    for (const Walker* walker : walkers) images.push_back(walker->x);
    return concat(images, 0);
}

// One evaluation and step of all that are still on their way.
void step(const SomeDenoiser& D, const NoiseEstimator& estimate, const std::vector<Walker*>& walkers, const AdaptiveOptions& o) {
    const Tensor x = together(walkers);
    std::vector<double> sigma, sigma_next;
    std::vector<std::int64_t> images;
    for (const Walker* walker : walkers) {
        sigma.push_back(walker->sigma);
        images.push_back(walker->image);
    }
    const auto [X, sigma_hat, answers, clamped] = estimate(x, sigmas_of(x, sigma));
    const Tensor slope = (X - D(X, sigma_hat, images)) / sigma_hat;
    const std::vector<double> levels = sigma_hat.values();
    for (std::size_t i = 0; i < walkers.size(); ++i) sigma_next.push_back(decide(*walkers[i], answers[i], levels[i], o));
    const Tensor next = X + (sigmas_of(x, sigma_next) - sigma_hat) * slope;
    for (std::size_t i = 0; i < walkers.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        walkers[i]->x = next.slice(0, at, at + 1);
        walkers[i]->sigma = sigma_next[i];
    }
}

}    // namespace

AdaptiveImages sample_adaptive(const PerImageDenoiser& D, const NoiseEstimator& estimate, const Tensor& x,
                               const AdaptiveOptions& options, const Sampling& run) {
    const auto some = [&](const Tensor& part, const Tensor& sigma, std::span<const std::int64_t>) { return D(part, sigma); };
    return sample_adaptive(SomeDenoiser(some), estimate, x, options, run);
}

AdaptiveImages sample_adaptive(const SomeDenoiser& D, const NoiseEstimator& estimate, const Tensor& x,
                               const AdaptiveOptions& options, const Sampling& run) {
    const auto& [steps, sigma_min, sigma_max, rho, patience, most] = options;
    check(steps >= 1 && patience >= 1 && most >= 0, "sample_adaptive", "expected steps and patience ≥ 1 and most ≥ 0, got ",
          steps, ", ", patience, " and ", most);
    check(x.rank() >= 1 && x.size(0) > 0, "sample_adaptive", "expected images (N, …), got ", x);
    check(0 < sigma_min && sigma_min < sigma_max && rho > 0, "sample_adaptive",
          "expected 0 < sigma_min < sigma_max and rho > 0, got ", sigma_min, ", ", sigma_max, " and ", rho);
    std::vector<Walker> walkers;
    for (std::int64_t n = 0; n < x.size(0); ++n) walkers.push_back({.image = n, .x = x.slice(0, n, n + 1), .sigma = sigma_max});
    std::vector<Walker*> all, active;
    for (Walker& walker : walkers) all.push_back(&walker);
    active = all;
    for (int round = 0; !active.empty(); ++round) {
        step(D, estimate, active, options);
        std::erase_if(active, [](const Walker* walker) { return walker->finished; });
        double highest = 0;
        for (const Walker* walker : active) highest = std::max(highest, walker->sigma);
        if (!run.step_done(round, highest, together(all))) break;
    }
    AdaptiveImages images{together(all), {}};
    for (const Walker& walker : walkers) images.evaluations.push_back(walker.evaluations);
    return images;
}

}    // namespace lull
