// How noisy the images of a sampler look to a predictor, made safe for sampling.
#pragma once

#include <functional>
#include <vector>

#include "diffusion/noise_level.h"
#include "engine/tensor.h"

namespace lull {

// Says σ̂ of each of N images that are taken to have noise of level sigma: N numbers ≥ 0. x: (N, …), sigma: (N, 1, …, 1).
using NoiseLevelPredictor = std::function<std::vector<double>(const Tensor& x, const Tensor& sigma)>;

// A network, (N, …) → (N, 1), that has learnt the task. Nothing is recorded for gradients.
NoiseLevelPredictor noise_level_predictor(const NoiseLevelTask& task, std::function<Tensor(const Tensor& input)> network);

// What x is thought to be: an image + σ̂ n.
struct NoiseEstimate {
    Tensor x;                         // X, (N, …)
    Tensor sigma;                     // σ̂, (N, 1, …, 1), at least 1e-6, by which one can divide
    std::vector<double> predicted;    // σ̂ of each image as the predictor said it, before the clamp
    double clamped;                   // the part of the images whose σ̂ the clamp has changed
};

// The estimate for a sampler's x at its σ, (N, 1, …, 1); the sampler may take x to be clean, σ = 0.
using NoiseEstimator = std::function<NoiseEstimate(const Tensor& x, const Tensor& sigma)>;

// Of x, either the scale of x_t = x / √(1+σ²) is right, or that of x itself.
//   alpha_bar   x_t = √â y + √(1-â) ε, â = 1/(1+σ̂²), so that X = x_t / √â: the lesson's. A clamp acts on â.
//   sigma       x = y + σ̂ n, so that X = x. A clamp acts on σ̂.
enum class LevelForm { alpha_bar, sigma };
inline LevelForm form_of(LevelTarget target) { return target == LevelTarget::ln_sigma ? LevelForm::sigma : LevelForm::alpha_bar; }

// What keeps a wild answer from doing harm: â (or σ̂) stays in [c/2, 2c]. Where c ≥ ½ any answer of less noise stands, as no â
// is above 1.
//   schedule   c is what the sampler takes the image for: image i stays a function of its seed. No clamp on σ̂ where that is 0
//   median     c is the batch's median, the lower of the two middle values, as in the lesson: an image depends on its batch
enum class LevelClamp { schedule, median, none };

struct EstimatorOptions {
    LevelForm form = LevelForm::sigma;
    LevelClamp clamp = LevelClamp::schedule;
    double factor = 2;    // > 1
};

NoiseEstimator estimator(NoiseLevelPredictor predictor, const EstimatorOptions& options);

// The same for x of another range: the predictor sees scale·x + shift, and all comes back in x's units. A clamp acts in the
// predictor's. scale > 0.
NoiseEstimator in_units(NoiseEstimator estimate, double scale, double shift);

// The lower of the two middle ones where there are two, as torch.median has it. Throws Error when there is none.
double lower_median(std::vector<double> values);

}    // namespace lull
