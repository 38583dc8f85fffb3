// Data whose denoiser is known exactly: a mixture of Gaussians. For toys, and for tests of samplers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/denoiser.h"
#include "engine/tensor.h"

namespace lull {

// p(y) = Σ_k π_k N(y; μ_k, s_k² I) in d dimensions. An image of any shape with d elements is a point.
class GaussianMixture {
  public:
    struct Component {
        double weight;               // π_k > 0; they are divided by their sum
        std::vector<double> mean;    // μ_k, d values, the same d for all
        double std;                  // s_k ≥ 0; 0 is a single point
    };

    // Throws Error when there is no component, or one is not as described.
    explicit GaussianMixture(std::vector<Component> components);

    // E[y | y + σ n = x] = Σ_k r_k (s_k² x + σ² μ_k) / (s_k² + σ²), where r_k, the chance that x came from component k, is
    // softmax_k(ln π_k - d/2 ln(s_k² + σ²) - ‖x - μ_k‖² / 2(s_k² + σ²)). x: (N, …) with d elements per image, f32 or f64;
    // computed in f64,
    // on the CPU wherever x lies.
    Tensor denoise(const Tensor& x, double sigma) const;
    Denoiser denoiser() const;
    // The same with each image's own σ, N elements.
    Tensor denoise(const Tensor& x, const Tensor& sigma) const;
    PerImageDenoiser per_image_denoiser() const;

    // One point per seed, (N, d).
    Tensor draw(std::span<const std::uint64_t> seeds, DType dtype = DType::f32) const;

    int dimensions() const { return static_cast<int>(components_.front().mean.size()); }
    std::vector<double> mean() const;          // d
    std::vector<double> covariance() const;    // d × d

  private:
    std::vector<Component> components_;
};

}    // namespace lull
