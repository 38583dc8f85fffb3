#include "apps/lull/film_strip.h"

#include <algorithm>
#include <cmath>

#include "apps/lull/labelled_grid.h"
#include "engine/ops/concat/concat.h"

namespace lull {

FilmStrip::FilmStrip(std::int64_t images, const Shape& image, std::vector<double> sigmas)
    : images_(images), sigmas_(std::move(sigmas)) {
    const int last = static_cast<int>(sigmas_.size()) - 1, frames = std::min(kFrames, last + 1);
    for (int frame = 0; frame < frames; ++frame) {
        const auto level = static_cast<int>(std::lround(static_cast<double>(frame) * last / (frames - 1)));
        const Shape all{images, image[0], image[1], image[2]};
        frames_[level] = {.x = zeros(all), .y = zeros(all)};
    }
}

void FilmStrip::keep(Tensor& of_all, std::int64_t first, const Tensor& batch) const {
    const std::int64_t count = std::min(batch.size(0), images_ - first);
    if (count <= 0) return;
    const Tensor some = batch.slice(0, 0, count).contiguous();
    std::copy_n(some.data<float>(), some.elements(), of_all.data<float>() + first * (some.elements() / count));
}

void FilmStrip::see(const SamplerState& state) {
    first_ = state.first;
    level_ = state.step + 1;
    answered_ = false;
    if (const auto frame = frames_.find(level_); frame != frames_.end()) keep(frame->second.x, first_, state.x);
}

void FilmStrip::see_denoised(const Tensor& y) {
    const auto frame = frames_.find(level_);
    if (answered_ || frame == frames_.end()) return;
    keep(frame->second.y, first_, y);
    answered_ = true;
}

void FilmStrip::see_end(std::int64_t first, const Tensor& images) { keep(frames_.rbegin()->second.y, first, images); }

Tensor FilmStrip::picture(const ModelConfig& model, int scale) const {
    LabelledGrid grid{.columns = static_cast<int>(frames_.size()), .row_group = 2, .corner = "sigma", .scale = scale};
    std::vector<Tensor> columns;    // (images, 2, H, W, C): x, and D below it
    for (const auto& [level, frame] : frames_) {
        const double sigma = sigmas_[static_cast<std::size_t>(level)];
        const Shape cell{images_, 1, frame.x.size(1), frame.x.size(2), frame.x.size(3)};
        const Tensor both[]{at_data_contrast(frame.x, sigma, model).reshape(cell), frame.y.reshape(cell)};
        columns.push_back(concat(both, 1));
        grid.column_titles.push_back(sigma_title(sigma));
    }
    for (Tensor& column : columns) {
        const Shape& s = column.shape();
        column = column.reshape({s[0] * s[1], 1, s[2], s[3], s[4]});
    }
    for (std::int64_t image = 0; image < images_; ++image) grid.row_titles.insert(grid.row_titles.end(), {"x", "D"});
    const Tensor table = concat(columns, 1);    // (2 images, frames, H, W, C)
    const Shape& s = table.shape();
    grid.images = shown(table.reshape({s[0] * s[1], s[2], s[3], s[4]}), model.black, model.white);
    return draw(grid);
}

}    // namespace lull
