// The way of images from noise, as a film-strip.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "apps/lull/generate.h"
#include "apps/lull/model.h"

namespace lull {

// Keeps some states of the first images on their way and draws them: under each noise level x, and below it D(x; σ), where
// the network says that it leads.
class FilmStrip {
  public:
    // Of the first `images`, (H, W, C) each; sigmas: the sampler's noise levels, of which at most kFrames are shown.
    FilmStrip(std::int64_t images, const Shape& image, std::vector<double> sigmas);

    void see(const SamplerState& state);

    // u8 (H', W', 3). D: the denoiser of the first images.
    Tensor picture(const Denoiser& D, const ModelConfig& model, int scale) const;

    std::int64_t images() const { return images_; }

  private:
    static constexpr int kFrames = 11;

    std::int64_t images_;
    std::vector<double> sigmas_;
    std::map<int, Tensor> frames_;    // x at sigmas_[i], (images, H, W, C)
};

}    // namespace lull
