#include "diffusion/noise_estimate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "diffusion/schedule.h"
#include "engine/autograd.h"
#include "engine/ops/elementwise/elementwise.h"

namespace lull {
namespace {

constexpr double kLeast = 1e-6;

// σ of ᾱ; ᾱ ≥ 1 has none.
double sigma_of(double abar) { return abar < 1 ? std::sqrt((1 - abar) / abar) : 0; }

// σ̂ with its â (or σ̂ itself) in [c / factor, factor c].
double clamped_around(double c, double sigma, const EstimatorOptions& options) {
    if (options.form == LevelForm::sigma) return std::clamp(sigma, c / options.factor, options.factor * c);
    return std::clamp(sigma, sigma_of(options.factor * c), sigma_of(c / options.factor));    // ᾱ falls where σ rises
}

std::vector<double> clamped(std::vector<double> predicted, std::span<const double> schedule, const EstimatorOptions& options) {
    if (options.clamp == LevelClamp::none) return predicted;
    const auto quantity = [&](double sigma) { return options.form == LevelForm::sigma ? sigma : alpha_bar(sigma); };
    double median = 0;
    if (options.clamp == LevelClamp::median) {
        std::vector<double> all;
        for (const double sigma : predicted) all.push_back(quantity(sigma));
        median = lower_median(all);
    }
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        const double c = options.clamp == LevelClamp::median ? median : quantity(schedule[i]);
        if (c > 0) predicted[i] = clamped_around(c, predicted[i], options);
    }
    return predicted;
}

double part_changed(const std::vector<double>& before, const std::vector<double>& after) {
    double changed = 0;
    for (std::size_t i = 0; i < after.size(); ++i) changed += after[i] != before[i];
    return changed / static_cast<double>(after.size());
}

}    // namespace

NoiseLevelPredictor noise_level_predictor(const NoiseLevelTask& task, std::function<Tensor(const Tensor& input)> network) {
    return [task, network = std::move(network)](const Tensor& x, const Tensor& sigma) {
        const NoGrad no_grad;
        return task.sigma(network(task.input(x, sigma)));
    };
}

NoiseEstimator estimator(NoiseLevelPredictor predictor, const EstimatorOptions& options) {
    check(options.factor > 1, "estimator", "expected a factor > 1, got ", options.factor);
    return [predictor = std::move(predictor), options](const Tensor& x, const Tensor& sigma) {
        const std::vector<double> schedule = sigma.values(), predicted = predictor(x, sigma);
        check(predicted.size() == schedule.size() && std::ssize(schedule) == x.size(0), "estimator",
              "expected a level and an answer per image, got ", schedule.size(), " and ", predicted.size(), " for ", x);
        std::vector<double> used = clamped(predicted, schedule, options);
        const double clamped = part_changed(predicted, used);
        for (double& value : used) value = std::max(value, kLeast);
        const Tensor sigma_hat = from_values(used, sigma.shape(), x.dtype());
        const Tensor X = options.form == LevelForm::sigma ? x : x * sqrt((1 + sq(sigma_hat)) / (1 + sq(sigma)));
        return NoiseEstimate{X, sigma_hat, predicted, clamped};
    };
}

NoiseEstimator in_units(NoiseEstimator estimate, double scale, double shift) {
    check(scale > 0, "in_units", "expected a scale > 0, got ", scale);
    return [estimate = std::move(estimate), scale, shift](const Tensor& x, const Tensor& sigma) {
        NoiseEstimate seen = estimate(affine(x, scale, shift), scale * sigma);
        for (double& value : seen.predicted) value /= scale;
        return NoiseEstimate{(seen.x - shift) / scale, seen.sigma / scale, seen.predicted, seen.clamped};
    };
}

double lower_median(std::vector<double> values) {
    check(!values.empty(), "lower_median", "expected at least one value");
    const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}    // namespace lull
