// The way of images from noise, as a film-strip.
#pragma once

#include <map>
#include <vector>

#include "apps/lull/generate.h"
#include "apps/lull/model.h"

namespace lull {

// Keeps some states of the first images on their way and draws them: under each noise level x, and below it D, where the network
// says that it leads: the sampler's own first answer at that level, blind or not. At the last there is no noise, and below x
// stand the images as they were delivered: x itself, or what a blind sampler's last evaluation has made of it.
class FilmStrip {
  public:
    // Of the first `images`, (H, W, C) each; sigmas: the sampler's noise levels, of which at most kFrames are shown.
    FilmStrip(std::int64_t images, const Shape& image, std::vector<double> sigmas);

    // In a sampler's order: a state, then D's answers for the same batch (N, H, W, C), on the CPU.
    void see(const SamplerState& state);
    void see_denoised(const Tensor& y);
    void see_end(std::int64_t first, const Tensor& images);    // a finished batch, and the place of its first image in the list

    Tensor picture(const ModelConfig& model, int scale) const;    // u8 (H', W', 3)

    std::int64_t images() const { return images_; }

  private:
    static constexpr int kFrames = 11;

    struct Frame {
        Tensor x, y;    // (images, H, W, C)
    };
    void keep(Tensor& of_all, std::int64_t first, const Tensor& batch) const;

    std::int64_t images_;
    std::vector<double> sigmas_;
    std::map<int, Frame> frames_;    // at sigmas_[i]
    std::int64_t first_ = 0;         // of the batch that was seen last
    int level_ = 0;                  // where it is
    bool answered_ = false;          // whether D has answered there
};

}    // namespace lull
