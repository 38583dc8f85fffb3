// Predicting how noisy an image is: fast.ai's lesson 22 (22_noise-pred), and the same idea for σ.
//
//     const NoiseLevelTask task{.target = LevelTarget::logit};
//     const auto [x, sigma, n] = add_noise(y, task.distribution(), seed, positions);    // training
//     const Tensor loss = mse(net.train(task.input(x, sigma), streams), task.answer(sigma));
//     const Tensor sigma_hat = task.sigma(net(task.input(x, sigma)));               // afterwards
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "diffusion/sigmas.h"
#include "engine/tensor.h"

namespace lull {

// What the network looks at, and what it is to answer.
//   logit        x_t = √ᾱ y + √(1-ᾱ) ε of ᾱ ~ U(0, 1); it answers logit ᾱ = ln ᾱ/(1-ᾱ) = -2 ln σ. The lesson's.
//   alpha_bar    the same, but it answers ᾱ itself. Near 0 and 1, where levels far apart have nearly the same ᾱ, this fails.
//   ln_sigma     x / rms(x), x = y + σ n, of ln σ ~ U(ln σ_min, ln σ_max); it answers ln σ.
enum class LevelTarget { logit, alpha_bar, ln_sigma };

std::span<const std::string_view> level_target_names();    // "logit", "alpha-bar", "ln-sigma"
std::string_view name_of(LevelTarget target);
// The inverse. Throws Error, naming the nearest, for another name.
LevelTarget parse_level_target(std::string_view name);

// An answer that looks at no image, and the loss that it has on average.
struct ConstantAnswer {
    double value, expected_loss;
};

struct NoiseLevelTask {
    LevelTarget target = LevelTarget::logit;
    double sigma_min = 0.002, sigma_max = 80;    // of ln_sigma. The other two have ᾱ in [1e-6, 1 - 1e-6]

    // The levels between which it trains and answers: σ_min and σ_max, or those of the two ᾱ, 0.001 and 1000.
    double least() const;
    double most() const;

    // The levels that it trains on: ᾱ, or ln σ, evenly between the two.
    NoiseDistribution distribution() const;

    // What the network sees of x = y + σ n, (N, …): x / √(1+σ²), or x / rms(x). sigma: (N, 1, …, 1); ln_sigma does not read it.
    Tensor input(const Tensor& x, const Tensor& sigma) const;
    // What it should answer, (N, 1). sigma: N elements.
    Tensor answer(const Tensor& sigma) const;
    // σ̂, as many elements as answers, (N): what it means by an answer, kept within [least, most]. Throws Error unless answers
    // are (N, 1).
    std::vector<double> sigma(const Tensor& answers) const;

    // The best constant first: 0 with π²/3 for logit; then, for logit, the lesson's 0.5 with π²/3 + ¼.
    std::vector<ConstantAnswer> constants() const;
};

// ln σ̂ - ln σ of each image, with which the three kinds can be compared: logit ᾱ is -2 ln σ, so that the error of a logit is
// twice as large. sigma: N elements.
std::vector<double> log_errors(std::span<const double> predicted, std::span<const double> sigma);

}    // namespace lull
