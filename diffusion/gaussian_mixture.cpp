#include "diffusion/gaussian_mixture.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"

namespace lull {
namespace {

// Computes D at one point. x, D: (d). share: scratch, one number per component.
template <class T>
void denoise_point(std::span<const GaussianMixture::Component> components, double sigma, std::span<const T> x, std::span<T> D,
                   std::vector<double>& share) {
    const double d = static_cast<double>(x.size());
    for (std::size_t k = 0; k < components.size(); ++k) {
        const auto& [weight, mean, std] = components[k];
        const double variance = std * std + sigma * sigma;
        double distance = 0;    // ‖x - μ_k‖²
        for (std::size_t i = 0; i < x.size(); ++i)
            distance += (static_cast<double>(x[i]) - mean[i]) * (static_cast<double>(x[i]) - mean[i]);
        share[k] = std::log(weight) - d / 2 * std::log(variance) - distance / (2 * variance);
    }
    const double highest = *std::max_element(share.begin(), share.end());
    double total = 0;
    for (double& s : share) total += s = std::exp(s - highest);

    for (std::size_t i = 0; i < x.size(); ++i) {
        double sum = 0;
        for (std::size_t k = 0; k < components.size(); ++k) {
            const auto& [weight, mean, std] = components[k];
            const double s2 = std * std, sigma2 = sigma * sigma;
            sum += share[k] / total * (s2 * static_cast<double>(x[i]) + sigma2 * mean[i]) / (s2 + sigma2);
        }
        D[i] = static_cast<T>(sum);
    }
}

}    // namespace

GaussianMixture::GaussianMixture(std::vector<Component> components) : components_(std::move(components)) {
    check(!components_.empty(), "gaussian_mixture", "expected at least one component");
    double total = 0;
    for (const Component& c : components_) {
        check(c.weight > 0 && c.std >= 0 && !c.mean.empty() && c.mean.size() == components_.front().mean.size(),
              "gaussian_mixture", "expected weights > 0, standard deviations ≥ 0 and means of one length, got weight ", c.weight,
              ", standard deviation ", c.std, " and a mean of length ", c.mean.size());
        total += c.weight;
    }
    for (Component& c : components_) c.weight /= total;
}

Tensor GaussianMixture::denoise(const Tensor& x, double sigma) const {
    return denoise(x, full({x.rank() > 0 ? x.size(0) : 0}, sigma, DType::f64));
}

Tensor GaussianMixture::denoise(const Tensor& x, const Tensor& sigma) const {
    const auto d = static_cast<std::size_t>(dimensions());
    check(x.rank() >= 2 && x.elements() == x.size(0) * dimensions(), "gaussian_mixture", "expected points of ", d,
          " elements, (N, …), got ", x);
    const std::vector<double> sigmas = sigma.values();
    check(std::ssize(sigmas) == x.size(0), "gaussian_mixture", "expected a sigma per image, got ", sigma, " for ", x);
    for (const double s : sigmas) check(s > 0, "gaussian_mixture", "expected sigma > 0, got ", s);
    if (x.device() != Device::cpu) return denoise(x.to(Device::cpu), sigma).to(x.device());
    Tensor y = empty_like(x);
    with_compute_dtype("gaussian_mixture", x.dtype(), [&]<class T>(T) {
        const Tensor in = x.contiguous();
        std::vector<double> share(components_.size());
        for (std::size_t n = 0; n < sigmas.size(); ++n) {
            denoise_point<T>(components_, sigmas[n], {in.data<T>() + n * d, d}, {y.data<T>() + n * d, d}, share);
        }
    });
    return y;
}

Denoiser GaussianMixture::denoiser() const {
    return [mixture = *this](const Tensor& x, double sigma) { return mixture.denoise(x, sigma); };
}

PerImageDenoiser GaussianMixture::per_image_denoiser() const {
    return [mixture = *this](const Tensor& x, const Tensor& sigma) { return mixture.denoise(x, sigma); };
}

Tensor GaussianMixture::draw(std::span<const std::uint64_t> seeds, DType dtype) const {
    std::vector<double> points;
    for (const std::uint64_t seed : seeds) {
        double u = RandomStream{seed, Purpose::data, 0}.uniform();
        std::size_t k = 0;
        while (k + 1 < components_.size() && u >= components_[k].weight) u -= components_[k++].weight;
        const RandomStream normal{seed, Purpose::data, 1};
        for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(dimensions()); ++i) {
            points.push_back(components_[k].mean[i] + components_[k].std * normal.normal(i));
        }
    }
    return from_values(points, {static_cast<std::int64_t>(seeds.size()), dimensions()}, dtype);
}

std::vector<double> GaussianMixture::mean() const {
    std::vector<double> mean(static_cast<std::size_t>(dimensions()));
    for (const Component& c : components_) {
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += c.weight * c.mean[i];
    }
    return mean;
}

std::vector<double> GaussianMixture::covariance() const {
    const std::vector<double> m = mean();
    const std::size_t d = m.size();
    std::vector<double> covariance(d * d);
    for (const Component& c : components_) {
        for (std::size_t i = 0; i < d; ++i) {
            covariance[i * d + i] += c.weight * c.std * c.std;
            for (std::size_t j = 0; j < d; ++j) covariance[i * d + j] += c.weight * (c.mean[i] - m[i]) * (c.mean[j] - m[j]);
        }
    }
    return covariance;
}

}    // namespace lull
