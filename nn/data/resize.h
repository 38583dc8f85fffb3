// Images of any size made to fit one size.
#pragma once

#include <cstdint>
#include <string>

#include "engine/tensor.h"

namespace lull {

// In pixels.
struct ImageSize {
    std::int64_t width = 0, height = 0;

    bool operator==(const ImageSize&) const = default;
};

// "48×32", as wide × high.
std::string to_string(const ImageSize& size);

// How an image becomes one of another size.
//   crop: resized to cover it, and what stands out on two sides cut off
//   pad: the whole image in the middle, made smaller where it is larger (never larger), with black around it
//   stretch: each side resized by itself
enum class Fit { crop, pad, stretch };

std::string name_of(Fit fit);
Fit parse_fit(const std::string& name);    // throws Error for an unknown name

// from: u8 (H, W, C) → to: u8 (h, w, C), contiguous, with h, w > 0.
//
// Lanczos's filter with three lobes, made wider by the factor of the reduction so that nothing aliases: what EDM's
// dataset_tool.py uses, by way of Pillow. It averages the bytes as they stand, sRGB, not amounts of light: so do the
// tools that published data sets were made with.
void fit_image(const Tensor& from, Fit fit, Tensor& to);

}    // namespace lull
