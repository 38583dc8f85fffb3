#include "diffusion/noise_level.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/did_you_mean.h"
#include "engine/ops/elementwise/elementwise.h"
#include "engine/ops/reduce/reduce.h"

namespace lull {
namespace {

constexpr std::array<std::string_view, 3> kNames{"logit", "alpha-bar", "ln-sigma"};
constexpr double kLeastAlphaBar = 1e-6;    // where the lesson clamps: |logit ᾱ| ≤ 13.8

}    // namespace

std::span<const std::string_view> level_target_names() { return kNames; }

std::string_view name_of(LevelTarget target) { return kNames.at(static_cast<std::size_t>(target)); }

LevelTarget parse_level_target(std::string_view name) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found != kNames.end()) return static_cast<LevelTarget>(found - kNames.begin());
    fail("noise_level", "unknown target '", name, "'", did_you_mean(name, kNames));
}

double NoiseLevelTask::least() const { return target == LevelTarget::ln_sigma ? sigma_min : 1 / most(); }

double NoiseLevelTask::most() const {
    return target == LevelTarget::ln_sigma ? sigma_max : std::sqrt((1 - kLeastAlphaBar) / kLeastAlphaBar);
}

NoiseDistribution NoiseLevelTask::distribution() const {
    if (target == LevelTarget::ln_sigma) return LogUniform{.least = sigma_min, .most = sigma_max};
    return UniformTime<LinearSchedule>{.schedule = {}, .least = kLeastAlphaBar, .most = 1 - kLeastAlphaBar};    // ᾱ = 1 - t
}

Tensor NoiseLevelTask::input(const Tensor& x, const Tensor& sigma) const {
    if (target != LevelTarget::ln_sigma) return x / sqrt(1 + sq(sigma));
    std::vector<int> axes;    // all but the images'
    for (int axis = 1; axis < x.rank(); ++axis) axes.push_back(axis);
    return x / sqrt(mean(sq(x), axes));
}

Tensor NoiseLevelTask::answer(const Tensor& sigma) const {
    const Tensor column = sigma.reshape({sigma.elements(), 1});
    if (target == LevelTarget::alpha_bar) return 1 / (1 + sq(column));
    return target == LevelTarget::logit ? -2. * log(column) : log(column);
}

std::vector<double> NoiseLevelTask::sigma(const Tensor& answers) const {
    check(answers.rank() == 2 && answers.size(1) == 1, "noise_level", "expected answers (N, 1), got ", answers);
    std::vector<double> sigmas = answers.values();
    for (double& value : sigmas) {
        if (target == LevelTarget::alpha_bar)
            value = value >= 1 ? 0 : value <= 0 ? HUGE_VAL : std::sqrt((1 - value) / value);
        else
            value = std::exp(target == LevelTarget::logit ? -value / 2 : value);
        value = std::clamp(value, least(), most());
    }
    return sigmas;
}

std::vector<ConstantAnswer> NoiseLevelTask::constants() const {
    constexpr double kLogitVariance = std::numbers::pi * std::numbers::pi / 3;    // of logit ᾱ, ᾱ ~ U(0, 1): a logistic variable
    const double low = std::log(sigma_min), high = std::log(sigma_max);
    switch (target) {
        case LevelTarget::logit:
            return {{0, kLogitVariance}, {0.5, kLogitVariance + 0.25}};
        case LevelTarget::alpha_bar:
            return {{0.5, 1 / 12.}};
        case LevelTarget::ln_sigma:
            return {{(low + high) / 2, sq(high - low) / 12}};
    }
    fail("noise_level", "unknown target ", static_cast<int>(target));
}

std::vector<double> log_errors(std::span<const double> predicted, std::span<const double> sigma) {
    check(predicted.size() == sigma.size(), "noise_level", "expected as many predictions as levels, got ", predicted.size(),
          " and ", sigma.size());
    std::vector<double> errors;
    for (std::size_t i = 0; i < sigma.size(); ++i) errors.push_back(std::log(predicted[i] / sigma[i]));
    return errors;
}

}    // namespace lull
